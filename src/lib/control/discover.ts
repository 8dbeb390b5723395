import type {Entity, Instance} from '../entity/entity.js'
import {compareVersions, type Version} from '../entity/version.js'
import {LatticeError} from '../errors.js'
import type {ClaimsRecord} from '../records/claims.js'
import type {ControlClient} from './client.js'
import type {DetectOptions} from './detect.js'
import type {HostInventory, HostPing} from './dialect.js'
import {byText, byVersion, groupBy} from './order.js'
import {wireVersion} from './v0.js'

/** A lattice as its hosts show it. */
export interface Discovery {
  /** Of every dialect, sorted by id. */
  readonly hosts: readonly HostPing[]
  /** What runs on hosts of dialects that can be operated, sorted by name, key and link. */
  readonly entities: readonly Entity[]
  /** Ids of hosts that answered a ping and then did not show what they run. */
  readonly silent: readonly string[]
}

/** Asks all hosts what they run, and what the claims of it say. */
export async function discover(client: ControlClient, options: DetectOptions = {}): Promise<Discovery> {
  const [hosts, claims] = await Promise.all([client.hosts(options), client.claims().catch(noneIfSilent)])
  const asked = hosts.filter(({dialect}) => dialect === 'v0')
  const answers = await Promise.all(asked.map(({id}) => client.inventory(id).catch(noneIfSilent)))
  const inventories = answers.flatMap((answer) => (Array.isArray(answer) ? [] : [answer]))
  const silent = asked.filter((_host, index) => Array.isArray(answers[index])).map(({id}) => id)
  return {hosts, entities: entitiesOf(inventories, claims), silent}
}

/** A host that goes away in between, or that fails over its own records, must not hide all others. */
function noneIfSilent(error: unknown): [] {
  if (error instanceof LatticeError && error.kind !== 'connection') return []
  throw error
}

/** Joins inventories and claims to entities; sorted. Pure. */
export function entitiesOf(inventories: readonly HostInventory[], claims: readonly ClaimsRecord[]): Entity[] {
  const found = inventories.flatMap((inventory) => sightings(inventory))
  const groups = groupBy(found, ({key, link}) => `${key} ${link ?? ''}`)
  return [...groups.values()]
    .map((group) =>
      entityOf(
        group,
        claims.filter(({sub}) => sub === group[0]!.key),
      ),
    )
    .sort((a, b) => byText(a.name, b.name) || byText(a.key, b.key) || byText(a.link ?? '', b.link ?? ''))
}

/** One version of something, seen on one host. */
interface Sighting extends Instance {
  readonly kind: Entity['kind']
  readonly key: string
  readonly name?: string
  readonly link?: string
  readonly contract?: string
}

function sightings({host, actors, providers}: HostInventory): Sighting[] {
  return [
    ...actors.flatMap(({key, name, instances}) =>
      instances.map(({version, count, dark, imageRef}): Sighting => {
        const known = {...(version && {version}), ...(imageRef && {imageRef}), ...(name && {name})}
        return {kind: 'actor', key, host: host.id, count, dark, ...known}
      }),
    ),
    ...providers.map(({key, link, contract, name, version, dark, imageRef}): Sighting => {
      const known = {...(version && {version}), ...(imageRef && {imageRef}), ...(name && {name})}
      return {kind: 'provider', key, link, contract, host: host.id, count: 1, dark, ...known}
    }),
  ]
}

function entityOf(group: readonly Sighting[], claims: readonly ClaimsRecord[]): Entity {
  const {kind, key, link, contract} = group[0]!
  const instances = merge(group.map((sighting) => withVersion(sighting, group, claims)))
  const versions = instances.flatMap(({version}) => (version === undefined ? [] : [version]))
  const record = claimsFor(versions, claims)
  const name = record?.name || group.find((sighting) => sighting.name)?.name || key
  return {
    kind,
    key,
    name,
    ...(record?.call_alias ? {callAlias: record.call_alias} : {}),
    ...(link === undefined ? {} : {link}),
    ...(contract === undefined ? {} : {contract}),
    instances,
  }
}

/**
 * v0 inventories carry no version (§2.2), and claims are one per key: they tell the version while all instances are of
 * one image, and of that image whose tag is the version when they are not. Anything else stays unknown.
 */
function withVersion(sighting: Sighting, group: readonly Sighting[], claims: readonly ClaimsRecord[]): Sighting {
  if (sighting.version !== undefined) return sighting
  const claimed = [...new Set(claims.flatMap(({version}) => wireVersion(version) ?? []))]
  const images = new Set(group.filter(({version}) => version === undefined).map(({imageRef}) => imageRef))
  const tag = tagOf(sighting.imageRef)
  const alone = group.every(({version}) => version === undefined)
  const version =
    alone && images.size === 1 && claimed.length === 1 ? claimed[0] : claimed.find((candidate) => candidate === tag)
  return version === undefined ? sighting : {...sighting, version}
}

/** `reg:5000/echo:1.2.0` has tag `1.2.0`. */
function tagOf(imageRef: string | undefined): string | undefined {
  return imageRef === undefined ? undefined : /:([^:/@]+)(?:@.*)?$/.exec(imageRef)?.[1]
}

/** Copies of one version and image on one host are one instance. */
function merge(group: readonly Sighting[]): Instance[] {
  const same = groupBy(group, ({host, version, imageRef, dark}) => JSON.stringify([host, version, imageRef, dark]))
  return [...same.values()]
    .map((copies): Instance => {
      const {version, host, dark, imageRef} = copies[0]!
      const count = copies.reduce((sum, copy) => sum + copy.count, 0)
      return {...(version && {version}), host, count, dark, ...(imageRef && {imageRef})}
    })
    .sort((a, b) => byVersion(a.version, b.version) || byText(a.host, b.host))
}

/** The claims that speak for all versions: those of the highest one that runs, else any. */
function claimsFor(versions: readonly Version[], claims: readonly ClaimsRecord[]): ClaimsRecord | undefined {
  const highest = [...versions].sort(compareVersions).at(-1)
  return claims.find(({version}) => version === highest) ?? claims[0]
}
