import type {Discovery} from '../control/discover.js'
import {formatRef, parseRef, runningVersions, type Entity} from '../entity/entity.js'
import {resolveEntity} from '../entity/resolve.js'
import {namesHead} from './script.js'

/** What is known of a lattice when names are refreshed. */
export interface Known {
  readonly discovery: Discovery
  /** Names of the lattices whose buckets are on the same account. */
  readonly lattices: readonly string[]
}

/** A line of the file: its kind, the name, and what is said beside it. */
export type NameLine = readonly [kind: string, name: string, note: string]

/** So many of one kind at most: who has more types a start that a shell cannot know. */
const most = 1000

/**
 * The names to complete, sorted within each kind. Names come from whoever signs modules and starts hosts: what a command
 * would not take, or not take for this one thing, is offered by its key.
 */
export function linesOf({discovery: {entities, hosts}, lattices}: Known): NameLine[] {
  const named = entities.map((entity) => ({entity, name: nameOf(entity, entities)}))
  const versions = named.flatMap(({entity, name}) => runningVersions(entity).map((version) => ({name, version})))
  return [
    ...some(lattices.map((name) => ['lattice', name, ''])),
    ...some(hosts.map(({id, name}) => ['host', id, name])),
    ...some(uniqueNames(hosts).map(({id, name}) => ['host', name, id])),
    ...some(named.map(({entity, name}) => [entity.kind, name, noteOf(entity)])),
    ...some(versions.map(({name, version}) => ['ref', `${name}@${version}`, darkness(name, version, named)])),
    ...some(versions.map(({name, version}) => ['version', version, name])),
  ]
}

/** The file of names: what it is, what it was asked for, when (in seconds), and the names. */
export function formatNames(key: string, seconds: number, lines: readonly NameLine[]): string {
  return [namesHead, key, String(seconds), ...lines.map((line) => line.join('\t'))].join('\n') + '\n'
}

function some(lines: readonly NameLine[]): NameLine[] {
  return lines
    .map(([kind, name, note]): NameLine => [kind, name, printable.test(note) ? note : ''])
    .filter(([, name]) => printable.test(name) && !name.startsWith('-'))
    .slice(0, most)
}

/** No control, direction or line characters: a shell shows names as they are. */
const printable = /^[^\p{C}\p{Zl}\p{Zp}]{0,256}$/u

function nameOf(entity: Entity, all: readonly Entity[]): string {
  const link = entity.link === undefined ? {} : {link: entity.link}
  const name = formatRef({name: entity.name, ...link})
  return means(name, entity, all) ? name : formatRef({name: entity.key, ...link})
}

function means(text: string, entity: Entity, all: readonly Entity[]): boolean {
  try {
    const ref = parseRef(text)
    const resolution = resolveEntity(ref, all)
    return (
      !text.startsWith('-') && ref.version === undefined && resolution.kind === 'found' && resolution.entity === entity
    )
  } catch {
    return false
  }
}

function noteOf({kind, instances}: Entity): string {
  return `${kind} on ${plural(new Set(instances.map(({host}) => host)).size, 'host')}`
}

function darkness(
  name: string,
  version: string,
  named: readonly {readonly entity: Entity; readonly name: string}[],
): string {
  const instances = named
    .filter((other) => other.name === name)
    .flatMap(({entity}) => entity.instances.filter((instance) => instance.version === version))
  const hosts = plural(new Set(instances.map(({host}) => host)).size, 'host')
  return `${instances.every(({dark}) => dark) ? 'dark' : 'live'} on ${hosts}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Friendly names that one host alone has, and that a command would not take for an id. */
function uniqueNames(hosts: Discovery['hosts']): Discovery['hosts'] {
  return hosts.filter(({id, name}) => name !== '' && hosts.every((other) => other.id === id || other.name !== name))
}
