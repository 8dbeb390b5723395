import {UnsafeError} from '../errors.js'
import type {RecordAddress} from '../records/registry.js'
import {isJsonRecord} from '../records/universal.js'
import {isRawConfig} from '../records/v1-form.js'
import type {LatticeCache} from './cache.js'
import {recordWords} from './conflict.js'
import type {CacheEntry} from './entry.js'
import {addressAt, addressName, bucketNames, placeOf} from './key.js'

/** One version of something on one host. */
export interface Running {
  /** Public key, or id of a v1 component or provider. */
  readonly key: string
  /** Undefined when the host does not tell. */
  readonly version?: string
  readonly host: string
  readonly count: number
}

/** What hosts say that they run, and which of those that answer do not say it. */
export interface RunningNow {
  readonly running: readonly Running[]
  readonly silent: readonly string[]
}

/** Something that needs a record to be there. */
export interface Use {
  readonly by: 'instance' | 'link' | 'ref' | 'route' | 'component' | 'unknown'
  /** Such as `host N… runs version 1.2.0 of it`. */
  readonly text: string
  /** Words of the command that would end it. */
  readonly remedy?: readonly string[]
}

/** What a record is needed for; `ask` is called only for kinds that hosts can have a use for. */
export async function findUses(
  cache: LatticeCache,
  address: RecordAddress,
  ask: () => Promise<RunningNow>,
): Promise<Use[]> {
  const place = placeOf(address, cache.lattice)
  // A raw key can be that of a typed record.
  const target = addressAt(place, cache.lattice)
  if (target.kind !== 'claims' && target.kind !== 'component' && target.kind !== 'config') return []
  const unreadable: string[] = []
  const [listed, now] = await Promise.all([
    cache.list(undefined, {unreadable: (bucket) => void unreadable.push(bucket)}),
    ask(),
  ])
  const others = listed.filter(({bucket, key}) => bucket !== place.bucket || key !== place.key)
  const self = listed.find((entry) => !others.includes(entry))
  return [
    ...usesOf(target, {self, others, running: now.running, lattice: cache.lattice}),
    ...now.silent.map((host) => unknown(`host ${host} answers and does not say what it runs`)),
    ...unreadable.map((bucket) => unknown(`the bucket '${bucket}' may not be read, so who refers to it is not known`)),
  ]
}

/** Other records or hosts need the record, so it is not deleted. */
export class InUseError extends UnsafeError {
  constructor(cache: LatticeCache, address: RecordAddress, uses: readonly Use[]) {
    const name = addressName(address)
    const remedies = uses.flatMap(({remedy}) => (remedy === undefined ? [] : [cache.line(remedy)]))
    const what = `${address.kind} '${name}' ${address.kind === 'claims' ? 'are' : 'is'} in use`
    const known = summary(uses)
    super(known === undefined ? `Whether the ${what} is not known.` : `The ${what} ${known}.`, {
      lines: uses.map(({text}) => text),
      suggestions: [...new Set(remedies), cache.line(['cache', 'del', ...recordWords(address), '--allow', 'in-use'])],
      details: {kind: address.kind, name, uses: uses.map(({by, text}) => ({by, text}))},
    })
  }
}

interface Surroundings {
  readonly lattice: string
  /** The record itself. */
  readonly self: CacheEntry | undefined
  readonly others: readonly CacheEntry[]
  readonly running: readonly Running[]
}

/** Pure: what of all that is known needs the record. */
export function usesOf(target: RecordAddress, around: Surroundings): Use[] {
  switch (target.kind) {
    case 'claims':
      return usesOfClaims(target, around)
    case 'component':
      return [
        ...instances(around.running.filter(({key}) => key === target.id)),
        ...componentLinks(around, (link) => link['target'] === target.id && link['source_id'] !== target.id),
      ]
    case 'config':
      return [
        ...instances(
          isRawConfig(target.name) ? around.running.filter(({key}) => key === target.name.slice(0, 56)) : [],
        ),
        ...componentLinks(around, ({source_config, target_config}) =>
          [source_config, target_config].some((names) => Array.isArray(names) && names.includes(target.name)),
        ),
      ]
    case 'link':
    case 'ref':
    case 'route':
    case 'key':
      return []
  }
}

/**
 * Hosts that know no versions read the base record, so everything about the key needs it. The record of one version is
 * needed by what speaks of that version, and, when it is the last, by what speaks of the key.
 */
function usesOfClaims(target: RecordAddress & {kind: 'claims'}, {self, others, running, lattice}: Surroundings): Use[] {
  const key = target.publicKey
  const left = others.filter(({kind, name}) => kind === 'claims' && name.split('@')[0] === key)
  const isBase = target.version === undefined
  const version = target.version ?? self?.version
  const hasBase = left.some(({bucket}) => bucket === bucketNames(lattice).data)
  const keyLost = isBase || !hasBase
  const versionLost = version !== undefined && !left.some((entry) => entry.version === version)
  const mine = running.filter(
    (one) => one.key === key && (isBase || one.version === undefined || one.version === version),
  )
  const speakers = others.flatMap((entry): Use[] => {
    if (entry.kind === 'link') return keyLost ? linkUses(entry, key) : []
    if (entry.kind === 'ref') return refUses(entry, {key, version: versionLost ? version : undefined, keyLost})
    if (entry.kind !== 'route' || !(versionLost || left.length === 0)) return []
    return routeUses(entry, {key, version})
  })
  return [...instances(mine), ...speakers]
}

function instances(running: readonly Running[]): Use[] {
  return running.map(({key, version, host, count}) => ({
    by: 'instance',
    text: `host ${host} runs ${version === undefined ? 'it' : `version ${version} of it`} (${count})`,
    ...(/^[MV][A-Z2-7]{55}$/.test(key) ? {remedy: ['stop', version === undefined ? key : `${key}@${version}`]} : {}),
  }))
}

function linkUses({name, key, value}: CacheEntry, wanted: string): Use[] {
  const {actor_id: actor, provider_id: provider} = isJsonRecord(value) ? value : {}
  if (actor !== wanted && provider !== wanted) return []
  const text = `link ${name} ties '${String(actor)}' to '${String(provider)}'`
  return [{by: 'link', text, remedy: ['cache', 'del', 'link', key.slice('LINKDEF_'.length)]}]
}

/** `version` is the one that nothing else is stored of. */
function refUses(
  {name, value}: CacheEntry,
  {key, version, keyLost}: {key: string; version: string | undefined; keyLost: boolean},
): Use[] {
  const {public_key: other, version: wanted} = isJsonRecord(value) ? value : {}
  if (other !== key || !(wanted === undefined ? keyLost : wanted === version)) return []
  return [{by: 'ref', text: `reference '${name}' stands for it`, remedy: ['cache', 'del', 'ref', name]}]
}

/** A route that cannot be read may have any legs, and until a change is verified those that it replaces count as well. */
function routeUses(
  {key: stored, value}: CacheEntry,
  {key, version}: {key: string; version: string | undefined},
): Use[] {
  const route = Buffer.from(stored.slice(stored.indexOf('.') + 1), 'base64url').toString('utf8')
  if (!stored.startsWith('v0.') || route.split('/')[0] !== key) return []
  const remedy = ['route', 'show', route]
  const {state, legs, replaced} = isJsonRecord(value) ? value : {}
  if (!Array.isArray(legs)) return [{by: 'route', text: `route '${route}' cannot be read`, remedy}]
  const all: readonly unknown[] = [legs, state === 'applying' ? replaced : []].flat()
  const leg = all.filter(isJsonRecord).find((one) => version === undefined || one['version'] === version)
  if (leg === undefined) return []
  const text = `route '${route}' sends ${String(leg['weight'])} % of the traffic to version ${String(leg['version'])}`
  return [{by: 'route', text, remedy}]
}

function componentLinks({others}: Surroundings, refers: (link: Readonly<Record<string, unknown>>) => boolean): Use[] {
  return others.flatMap(({kind, name, value}): Use[] => {
    const links: unknown = kind === 'component' && isJsonRecord(value) ? value['links'] : undefined
    const found = Array.isArray(links) && links.some((link) => isJsonRecord(link) && refers(link))
    return found
      ? [{by: 'component', text: `a link of component '${name}' names it`, remedy: ['cache', 'get', 'component', name]}]
      : []
  })
}

function unknown(text: string): Use {
  return {by: 'unknown', text}
}

const nouns = {
  instance: ['host', 'hosts'],
  link: ['link', 'links'],
  ref: ['reference', 'references'],
  route: ['route', 'routes'],
  component: ['component', 'components'],
} as const

/** Such as `by 2 hosts, 1 link and 1 route`; undefined when nothing is known. */
function summary(uses: readonly Use[]): string | undefined {
  const parts = Object.entries(nouns).flatMap(([by, [one, many]]) => {
    const {length} = uses.filter((use) => use.by === by)
    return length === 0 ? [] : [`${length} ${length === 1 ? one : many}`]
  })
  const last = parts.pop()
  return last === undefined ? undefined : `by ${parts.length === 0 ? last : `${parts.join(', ')} and ${last}`}`
}
