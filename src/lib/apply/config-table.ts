import type {FileMappings} from '../conf/mappings-text.js'
import {predictSource, type MappingTable, type TokenMappings} from '../routing/effective.js'
import {asDestination} from '../routing/endpoint.js'
import type {Destination} from '../routing/plan.js'
import type {TableChange} from './driver.js'

/** The table that a server makes of a file of mappings: unlike in a token, a weight of 0 is never picked. */
export function predictFile(mappings: FileMappings): MappingTable {
  return new Map([...mappings].map(([source, list]) => [source, predictList(source, list)]))
}

function predictList(source: string, list: readonly Destination[]): Destination[] {
  const picked = list.filter(({weight}) => weight > 0)
  const loses = list.some(({subject}) => subject === source)
  if (loses) return picked
  const clusters = new Set(list.flatMap(({cluster}) => (cluster === undefined ? [] : [cluster])))
  const dark = [...clusters].filter((name) => !picked.some(({cluster}) => cluster === name))
  const stays = dark.map((cluster) => ({subject: asDestination(source), weight: 100, cluster}))
  return [...predictSource(source, picked), ...stays]
}

/** A file's mappings in the form that tokens have. */
export function asTokenMappings(mappings: FileMappings): TokenMappings {
  return Object.fromEntries([...mappings].map(([source, list]) => [source, list.filter(({weight}) => weight > 0)]))
}

/** The mappings with these sources changed and all others as they were; destinations of weight 0 are left out. */
export function changeMappings(mappings: FileMappings, change: TableChange): FileMappings {
  const changed = new Map(mappings)
  for (const {source, destinations} of change) {
    if (destinations === undefined) changed.delete(source)
    else changed.set(source, destinations.filter(({weight}) => weight > 0).map(plain))
  }
  return changed
}

function plain({subject, weight, cluster}: Destination): Destination {
  return {subject, weight, ...(cluster === undefined || cluster === '' ? {} : {cluster})}
}
