import {realpath, stat} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {isDeepStrictEqual} from 'node:util'

import {ConflictError, ConnectionError} from '../errors.js'
import {writeFileAtomic} from '../files/write-file.js'
import {decodeToken, formatLossless, type JsonObject} from '../keys/token.js'
import {listNscAccounts, type NscOperator} from './operator.js'
import {readStoreFile} from './places.js'

/** The token of an account as an nsc store holds it. */
export interface NscAccountToken {
  /** The operator's name. */
  readonly operator: string
  /** The account's name. */
  readonly name: string
  readonly file: string
  /** Without the white space around it. */
  readonly text: string
  /** `iat`, in seconds since the epoch. */
  readonly issuedAt: number
}

/** The token of the account with this public key; undefined when the store has no such account. */
export async function readNscAccountToken(
  operator: NscOperator,
  account: string,
): Promise<NscAccountToken | undefined> {
  const found = (await listNscAccounts(operator)).find(({key}) => key === account)
  if (found === undefined) return undefined
  const file = join(found.folder, `${basename(found.folder)}.jwt`)
  const text = (await readStoreFile(file))?.trim()
  if (text === undefined) return undefined
  const {iat} = decodeToken(text).payload
  return {operator: operator.name, name: found.name, file, text, issuedAt: typeof iat === 'number' ? iat : 0}
}

/**
 * Puts a newer token in place of the one that was read, at once and with the mode the file had. Throws a
 * NscStoreChangedError when another program wrote the file since, and a ConnectionError when it may not be written.
 */
export async function writeNscAccountToken(present: NscAccountToken, text: string): Promise<void> {
  const stored = await readStoreFile(present.file)
  if (stored?.trim() === text) return
  if (stored?.trim() !== present.text) throw new NscStoreChangedError(present)
  try {
    // A store may be linked into another folder, and the link is to stay one.
    const path = await realpath(present.file)
    const {mode} = await stat(path)
    await writeFileAtomic(
      path,
      stored.replace(present.text, () => text),
      {mode: mode & 0o777},
    )
  } catch (error) {
    throw new NscStoreNotWrittenError(present, (error as NodeJS.ErrnoException).code ?? 'unknown')
  }
}

/** How the token of a store stands to that of the servers. */
export type NscDrift =
  /** They say the same; who signed when does not matter. */
  | {readonly kind: 'same'}
  /** Only mappings differ that lattice made: the store missed a change, and gets the next one. */
  | {readonly kind: 'ours'; readonly sources: readonly string[]}
  /** `mappings` counts those that are not lattice's; `claims` names other parts that differ, such as `limits`. */
  | {readonly kind: 'foreign'; readonly mappings: number; readonly claims: readonly string[]}

/** Compares the token of a store with that of the servers; `isOurs` tells the sources whose mappings lattice made. */
export function compareNscToken(stored: string, live: string, isOurs: (source: string) => boolean): NscDrift {
  if (stored === live) return {kind: 'same'}
  const [left, right] = [claimsOf(stored), claimsOf(live)]
  const sources = differentKeys(left.mappings, right.mappings)
  const foreign = sources.filter((source) => !isOurs(source))
  const claims = differentKeys(left.claims, right.claims)
  if (foreign.length > 0 || claims.length > 0) return {kind: 'foreign', mappings: foreign.length, claims}
  return sources.length > 0 ? {kind: 'ours', sources} : {kind: 'same'}
}

interface Claims {
  readonly mappings: JsonObject
  /** All other parts of the token, those of `nats` beside those around it. */
  readonly claims: JsonObject
}

/** Signer, time and number of a token change with every signing. */
function claimsOf(text: string): Claims {
  const {iss: _iss, iat: _iat, jti: _jti, nats, ...outer} = decodeToken(text).payload
  const {mappings, ...inner} = objectOf(nats)
  const normal = Object.entries(objectOf(mappings)).map(([source, list]) => [source, normalList(list)])
  return {mappings: Object.fromEntries(normal) as JsonObject, claims: {...outer, ...inner}}
}

/** Order means nothing in a list of destinations, and no weight means 100. */
function normalList(list: unknown): readonly string[] {
  const items = Array.isArray(list) ? list.map(objectOf) : []
  return items
    .map(({subject, weight, cluster}) => formatLossless([subject, weight === 0 ? 100 : (weight ?? 100), cluster ?? '']))
    .sort()
}

function differentKeys(left: JsonObject, right: JsonObject): string[] {
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort()
  return keys.filter((key) => !isDeepStrictEqual(orNone(left[key]), orNone(right[key])))
}

/** nsc leaves out what is empty; to a server both are the same. */
function orNone(value: unknown): unknown {
  if (value === null || value === '') return undefined
  return typeof value === 'object' && Object.keys(value).length === 0 ? undefined : value
}

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

/** What differs between store and servers, as a sentence; undefined when nothing does that matters. */
export function describeNscDrift(token: NscAccountToken, drift: NscDrift): string | undefined {
  const issued = `issued at ${new Date(token.issuedAt * 1000).toISOString()}`
  const what = `The nsc store '${token.operator}' has a token of account '${token.name}', ${issued}`
  switch (drift.kind) {
    case 'same':
      return undefined
    case 'ours': {
      const count = drift.sources.length
      return `${what}, in which ${count} of lattice's mappings ${count > 1 ? 'are' : 'is'} not as on the servers.`
    }
    case 'foreign':
      return `${what}, in which ${foreignParts(drift)} than on the servers.`
  }
}

function foreignParts({mappings, claims}: Extract<NscDrift, {kind: 'foreign'}>): string {
  const parts = [
    ...(mappings > 0 ? [`${mappings} mapping${mappings > 1 ? 's' : ''} that lattice did not make`] : []),
    ...(claims.length > 0 ? [claims.map((claim) => `'${claim}'`).join(', ')] : []),
  ]
  return `${parts.join(' and ')} ${mappings + claims.length > 1 ? 'are' : 'is'} other`
}

/** Store and servers went apart, and only a person knows which of them is right. */
export class NscDriftError extends ConflictError {
  constructor(token: NscAccountToken, drift: Extract<NscDrift, {kind: 'foreign'}>) {
    super(describeNscDrift(token, drift)!, {
      suggestions: [
        `nsc push -a ${quote(token.name)}   # the store is right`,
        'nsc pull --all --overwrite-newer   # the servers are right',
      ],
      details: {operator: token.operator, account: token.name, issuedAt: token.issuedAt, ...drift},
    })
  }
}

/** Another program wrote the store between our reading and our writing. */
export class NscStoreChangedError extends ConflictError {
  constructor({operator, name, file}: NscAccountToken) {
    super(`The token of account '${name}' in the nsc store '${operator}' was changed by another program meanwhile.`, {
      suggestions: ['lattice route verify'],
      details: {operator, account: name, file},
    })
  }
}

/** The servers have a token that the store could not be given. */
export class NscStoreNotWrittenError extends ConnectionError {
  constructor({operator, name, file}: NscAccountToken, code: string) {
    super(
      `The new token of account '${name}' could not be written to the nsc store '${operator}' (${code}), and the next push from it undoes the route.`,
      {suggestions: ['nsc pull --all --overwrite-newer'], details: {operator, account: name, file, code}},
    )
  }
}

function quote(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`
}
