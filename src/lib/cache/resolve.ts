import {parseRef, type Entity, type EntityRef} from '../entity/entity.js'
import {resolveEntity} from '../entity/resolve.js'
import {parseVersion, type Version} from '../entity/version.js'
import {AmbiguousError, NotFoundError, UsageError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import {builtinHttpserver} from '../records/builtin.js'
import {linkHash, type LinkIdentity} from '../records/link-hash.js'
import type {RecordAddress, RecordKind} from '../records/registry.js'
import {parseBucketKey} from './bucket.js'
import type {CacheEntry} from './entry.js'
import {addressAt, bucketNames} from './key.js'
import {commandLine, type LineScope} from './line.js'

/** What name resolution needs to know. */
export interface NameSource {
  readonly scope: LineScope
  /** The stored claims; asked for only when a name is not a whole key. */
  readonly claims: () => Promise<readonly CacheEntry[]>
  /** The stored reference of an artifact; undefined when there is none. */
  readonly reference: (url: string) => Promise<CacheEntry | undefined>
}

export interface AddressOptions {
  /** Bucket of a raw key; default the lattice's data bucket. */
  readonly bucket?: string | undefined
  /** Words of the command, for the lines it suggests; default `cache get`. */
  readonly words?: readonly string[] | undefined
}

/** The address that a user's key means. Throws Usage-, NotFound- or AmbiguousErrors with lines to paste. */
export async function resolveAddress(
  kind: RecordKind,
  text: string,
  source: NameSource,
  {bucket, words = ['cache', 'get']}: AddressOptions = {},
): Promise<RecordAddress> {
  const line = (key: string): string => commandLine([...words, kind, key], source.scope)
  if (bucket !== undefined && kind !== 'key') {
    throw new UsageError('Only records of kind key can be in another bucket.')
  }
  switch (kind) {
    case 'claims': {
      const written = await resolveWritten(text, source)
      if (written !== undefined) return {kind, ...written}
      const ref = parseRef(text)
      const version = ref.version === undefined ? '' : `@${ref.version}`
      const publicKey = await resolveKey(ref, source, (candidate) => line(`${candidate}${version}`))
      return {kind, publicKey, ...(ref.version === undefined ? {} : {version: ref.version})}
    }
    case 'link':
      return {kind, ...(await resolveLink(text, source, line))}
    case 'ref':
      if (text === '' || !text.isWellFormed()) throw new UsageError(`${JSON.stringify(text)} is not a reference.`)
      return {kind, url: text}
    case 'route': {
      const address = addressAt({bucket: bucketNames(source.scope.lattice).routes, key: text}, source.scope.lattice)
      if (address.kind === 'route') return address
      throw new UsageError(`${JSON.stringify(text)} is not the key of a route.`, {
        suggestions: [commandLine(['cache', 'ls', '--kind', 'route'], source.scope), 'lattice route show'],
      })
    }
    case 'component':
      return {kind, id: parseBucketKey(text)}
    case 'config':
      return {kind, name: parseBucketKey(text)}
    case 'key':
      return {kind, key: text, ...(bucket === undefined ? {} : {bucket})}
  }
}

/** What a call alias with slashes or the address of an artifact means; an entity reference has one slash at most. */
async function resolveWritten(
  text: string,
  source: NameSource,
): Promise<{publicKey: string; version?: Version} | undefined> {
  if (!text.includes('/')) return undefined
  const [, alias = '', version] = /^(.*?)(?:@([^@/]+))?$/s.exec(text) ?? []
  const named = claimedEntities(await source.claims()).filter(
    ({name, callAlias}) => name === alias || callAlias === alias,
  )
  if (named.length === 1) {
    return {publicKey: named[0]!.key, ...(version === undefined ? {} : {version: parseVersion(version)})}
  }
  if (named.length > 1) return undefined
  const stored = (await source.reference(text))?.value as {public_key?: unknown; version?: unknown} | null | undefined
  if (typeof stored?.public_key !== 'string' || !isPublicKey(stored.public_key)) {
    if (!text.includes(':')) return undefined
    const {lattice} = source.scope
    throw new NotFoundError(`No claims and no reference '${text}' are stored in lattice '${lattice}'.`, {
      suggestions: [commandLine(['cache', 'ls', '--kind', 'ref'], source.scope)],
      details: {name: text, lattice},
    })
  }
  const known =
    typeof stored.version === 'string' && stored.version !== '' ? {version: parseVersion(stored.version)} : {}
  return {publicKey: stored.public_key, ...known}
}

/** The public key that a name means: itself, the built-in provider, or what the stored claims say. */
export async function resolveKey(
  {name}: EntityRef,
  source: NameSource,
  suggest: (candidate: string) => string,
): Promise<string> {
  if (isPublicKey(name)) return name
  if (name === builtinHttpserver.ref) return builtinHttpserver.key
  const {lattice} = source.scope
  const resolution = resolveEntity({name}, claimedEntities(await source.claims()))
  switch (resolution.kind) {
    case 'found':
      return resolution.entity.key
    case 'ambiguous':
      throw new AmbiguousError(
        `'${name}' is the name of ${resolution.candidates.length} entities in lattice '${lattice}'.`,
        {
          suggestions: resolution.candidates.map(({key}) => suggest(key)),
          details: {candidates: resolution.candidates.map(({key}) => key)},
        },
      )
    case 'missing':
      if (name === 'httpserver') return builtinHttpserver.key
      throw new NotFoundError(`No claims of '${name}' are stored in lattice '${lattice}'.`, {
        suggestions: [...resolution.nearest.map(suggest), commandLine(['claims', 'ls'], source.scope)],
        details: {name, lattice},
      })
  }
}

/** The entities that claims speak of, each once. */
function claimedEntities(claims: readonly CacheEntry[]): Entity[] {
  const byKey = new Map<string, Entity>()
  for (const {name, title, value} of claims) {
    const key = name.split('@')[0]!
    if (byKey.has(key)) continue
    const alias = (value as {call_alias?: unknown} | null)?.call_alias
    byKey.set(key, {
      kind: key.startsWith('V') ? 'provider' : 'actor',
      key,
      name: title ?? key,
      ...(typeof alias === 'string' && alias !== '' ? {callAlias: alias} : {}),
      instances: [],
    })
  }
  return [...byKey.values()]
}

/** A hash, or `actor/contract[/link]`. */
async function resolveLink(
  text: string,
  source: NameSource,
  line: (key: string) => string,
): Promise<{hash: string; identity?: LinkIdentity}> {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return {hash: text.toUpperCase()}
  const [actor = '', contract = '', link = 'default', ...more] = text.split('/')
  if (actor === '' || contract === '' || link === '' || more.length > 0) {
    throw new UsageError(`${JSON.stringify(text)} is not a link.`, {
      suggestions: [
        'Write its hash, or actor/contract/link such as echo/wasmcloud:httpserver/default.',
        commandLine(['link', 'ls'], source.scope),
      ],
    })
  }
  const actorId = await resolveKey(parseRef(actor), source, (candidate) => line(`${candidate}/${contract}/${link}`))
  const identity = {actor_id: actorId, contract_id: contract, link_name: link}
  return {hash: linkHash(identity), identity}
}
