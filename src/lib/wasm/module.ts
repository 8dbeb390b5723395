import {createHash} from 'node:crypto'
import {z} from 'zod'

import {parseRef} from '../entity/entity.js'
import {parseVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {isPublicKey, type SigningKey} from '../keys/nkey.js'
import {decodeToken, encodeToken, type JsonObject} from '../keys/token.js'
import {ModuleError} from './module-error.js'
import {formatSections, makeCustomSection, parseSections, type WasmSection} from './wasm.js'

/** Who a module is, in whose word, as the token inside it says. */
export interface ModuleClaims {
  /** Public key `M…` of the module. */
  readonly key: string
  /** Public key `A…` of who signed. */
  readonly issuer: string
  /** The key where the claims have no name. */
  readonly name: string
  readonly version?: Version
  readonly revision?: number
  readonly callAlias?: string
  /** Contract ids, as claimed. */
  readonly caps: readonly string[]
  readonly tags: readonly string[]
  /** Seconds since the epoch, like the two below. */
  readonly issuedAt?: number
  readonly expires?: number
  readonly notBefore?: number
  readonly token: string
}

/** What a signer says about a module. */
export interface SignOptions {
  /** Public key `M…` of the module. */
  readonly key: string
  /** Account key `A…` that signs. */
  readonly issuer: SigningKey
  readonly name: string
  readonly version: string
  readonly revision?: number | undefined
  readonly callAlias?: string | undefined
  readonly caps?: readonly string[]
  readonly tags?: readonly string[]
  /** Seconds since the epoch, like the two below. */
  readonly issuedAt: number
  readonly expires?: number | undefined
  readonly notBefore?: number | undefined
}

/** A module looked at: what it claims, the hash of its code, and everything that is wrong with it. */
export interface ModuleExamination {
  readonly claims: ModuleClaims
  /** SHA-256 of the module without its claims, uppercase hex. */
  readonly hash: string
  readonly signatureHolds: boolean
  readonly hashHolds: boolean
  readonly timeHolds: boolean
  readonly problems: readonly ModuleError[]
}

/** `wascap` wrote the first before 0.9 and every host reads it; the second is newer. */
const claimsSections = ['jwt', 'wasmcloud_jwt']
const writtenSection = 'jwt'
const wascapRevision = 3

const list = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? [])
const seconds = z.number().nullish()
const payloadSchema = z.looseObject({
  iss: z.string(),
  sub: z.string(),
  iat: seconds,
  exp: seconds,
  nbf: seconds,
  wascap_revision: z.number().nullish(),
  wascap: z.looseObject({
    name: z.string().nullish(),
    hash: z.string().nullish(),
    ver: z.string().nullish(),
    rev: z.number().int().nullish(),
    call_alias: z.string().nullish(),
    caps: list,
    tags: list,
    prov: z.boolean().nullish(),
  }),
})
type Payload = z.infer<typeof payloadSchema>

/**
 * The claims of a module that may run: signed by its issuer over exactly this code, and valid at `nowMs`. Whether the
 * issuer is trusted is the caller's to say. Throws a ModuleError (reference: wasmcloud v0, §10).
 */
export function readModuleClaims(wasm: Uint8Array, nowMs: number): ModuleClaims {
  const {claims, problems} = examineModule(wasm, nowMs)
  if (problems[0] !== undefined) throw problems[0]
  return claims
}

/** What a module claims and how far that holds; throws a ModuleError only when there are no claims to read. */
export function examineModule(wasm: Uint8Array, nowMs: number): ModuleExamination {
  const sections = parseSections(wasm)
  const {token, payload, signed} = decodeClaims(findToken(sections))
  const hash = hashOf(sections)
  const checks = {
    signatureHolds: signed && isPublicKey(payload.iss, 'A'),
    hashHolds: payload.wascap.hash === hash,
    timeHolds: !isExpired(payload, nowMs) && !isEarly(payload, nowMs),
  }
  return {claims: claimsOf(token, payload), hash, ...checks, problems: findProblems(payload, checks, nowMs)}
}

/**
 * The module with claims of its own, in place of any it had: in section `jwt`, over the hash of all the rest.
 * Throws a UsageError when a claim cannot be meant and a ModuleError when the bytes are no module.
 */
export function signModule(wasm: Uint8Array, options: SignOptions): Uint8Array {
  checkClaims(options)
  const code = parseSections(wasm).filter((section) => !isClaims(section))
  const {key, issuer, name, version, revision, callAlias, caps = [], tags = [], issuedAt, expires, notBefore} = options
  if (!isPublicKey(key, 'M')) throw new UsageError('A module key starts with M, and this is none.')
  if (issuer.kind !== 'A') throw new UsageError('Modules are signed by an account key, which starts with A.')
  const hash = hashOf(code)
  const payload: JsonObject = {
    jti: createHash('sha256').update(`${hash} ${key} ${version} ${issuedAt}`).digest('hex').slice(0, 22),
    iat: issuedAt,
    iss: issuer.publicKey,
    sub: key,
    ...(expires === undefined ? {} : {exp: expires}),
    ...(notBefore === undefined ? {} : {nbf: notBefore}),
    wascap: {
      name,
      hash,
      tags,
      caps,
      ...(revision === undefined ? {} : {rev: revision}),
      ver: version,
      ...(callAlias === undefined ? {} : {call_alias: callAlias}),
      prov: false,
    },
    wascap_revision: wascapRevision,
  }
  const token = encodeToken({typ: 'jwt', alg: 'Ed25519'}, payload, issuer)
  return formatSections([...code, makeCustomSection(writtenSection, Buffer.from(token, 'utf8'))])
}

function isClaims({name}: WasmSection): boolean {
  return name !== undefined && claimsSections.includes(name)
}

/** Uppercase hex SHA-256 of the module re-assembled without its claims. */
function hashOf(sections: readonly WasmSection[]): string {
  const code = sections.filter((section) => !isClaims(section))
  return createHash('sha256').update(formatSections(code)).digest('hex').toUpperCase()
}

function findToken(sections: readonly WasmSection[]): string {
  const [found, ...more] = sections.filter(isClaims)
  if (found?.body === undefined) {
    const suggestions = ['lattice claims sign FILE --name NAME --version VERSION']
    throw new ModuleError('unsigned', 'it is not signed', {suggestions})
  }
  if (more.length > 0) throw new ModuleError('claims', 'it has claims more than once')
  return Buffer.from(found.body).toString('utf8').trim()
}

function decodeClaims(token: string): {token: string; payload: Payload; signed: boolean} {
  const unreadable = 'its claims cannot be read'
  try {
    const decoded = decodeToken(token)
    const payload = payloadSchema.safeParse(decoded.payload)
    const {typ, alg} = decoded.header
    if (!payload.success) throw new ModuleError('claims', unreadable)
    if (alg !== 'Ed25519' || (typeof typ === 'string' && typ.toLowerCase() !== 'jwt')) {
      throw new ModuleError('claims', 'its claims are signed in a way that is not known here')
    }
    return {token, payload: payload.data, signed: decoded.signed}
  } catch (error) {
    throw error instanceof ModuleError ? error : new ModuleError('claims', unreadable)
  }
}

function claimsOf(token: string, {iss, sub, iat, exp, nbf, wascap}: Payload): ModuleClaims {
  return {
    key: sub,
    issuer: iss,
    name: present(wascap.name) ?? sub,
    ...optional('version', present(wascap.ver) as Version | undefined),
    ...optional('revision', wascap.rev ?? undefined),
    ...optional('callAlias', present(wascap.call_alias)),
    caps: wascap.caps,
    tags: wascap.tags,
    ...optional('issuedAt', iat ?? undefined),
    ...optional('expires', exp ?? undefined),
    ...optional('notBefore', nbf ?? undefined),
    token,
  }
}

/** In the order in which a reader should hear of them: who speaks, about what, and when. */
function findProblems(
  payload: Payload,
  checks: {readonly signatureHolds: boolean; readonly hashHolds: boolean},
  nowMs: number,
): ModuleError[] {
  const {sub, wascap} = payload
  const problems: ModuleError[] = []
  const add = (...problem: ConstructorParameters<typeof ModuleError>): void =>
    void problems.push(new ModuleError(...problem))
  if (!checks.signatureHolds) add('signature', 'the signature of its claims does not hold')
  if (!isPublicKey(sub, 'M') || wascap.prov === true) add('claims', 'its claims are not those of a module')
  // Before revision 3 hosts did not compare the hash, so whoever holds such a token could put it into any code.
  if (!checks.hashHolds) {
    const old = (payload.wascap_revision ?? 0) < wascapRevision
    add(
      'hash',
      old ? 'it was signed in an old form that does not cover its code' : 'its code was changed after it was signed',
    )
  }
  if (isExpired(payload, nowMs)) add('expired', 'its claims have expired')
  if (isEarly(payload, nowMs)) add('early', 'its claims are not valid yet')
  if (!isUsableVersion(wascap.ver)) add('claims', 'its claims name a version that cannot be one')
  return problems
}

function isExpired({exp}: Payload, nowMs: number): boolean {
  return typeof exp === 'number' && nowMs >= exp * 1000
}

function isEarly({nbf}: Payload, nowMs: number): boolean {
  return typeof nbf === 'number' && nowMs < nbf * 1000
}

function isUsableVersion(version: string | null | undefined): boolean {
  try {
    return present(version) === undefined || parseVersion(version!) === version
  } catch {
    return false
  }
}

/** Throws a UsageError when a claim is one that no host could use. */
export function checkClaims({
  name,
  version,
  revision,
  callAlias,
  caps = [],
  tags = [],
}: Omit<SignOptions, 'key' | 'issuer' | 'issuedAt'>): void {
  parseVersion(version)
  if (parseRef(name).name !== name)
    throw new UsageError(`${JSON.stringify(name)} cannot name a module: it holds a / or an @.`)
  if (callAlias !== undefined && parseRef(callAlias).name !== callAlias) {
    throw new UsageError(`${JSON.stringify(callAlias)} cannot be a call alias: it holds a / or an @.`)
  }
  if (revision !== undefined && (!Number.isSafeInteger(revision) || revision < 0 || revision > 0x7fff_ffff)) {
    throw new UsageError('A revision is a whole number from 0 to 2147483647.')
  }
  // Hosts store both lists as text with commas between.
  const bad = [...caps, ...tags].find((text) => !/^[^\s,\p{C}]+$/u.test(text))
  if (bad !== undefined)
    throw new UsageError(`${JSON.stringify(bad)} holds a comma or white space, which no capability or tag may.`)
}

function present(text: string | null | undefined): string | undefined {
  return text === null || text === '' ? undefined : text
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({[key]: value} as Record<K, V>)
}
