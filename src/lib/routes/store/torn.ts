import type {MappingTable} from '../../routing/effective.js'
import {endpointsOf} from '../../routing/endpoint.js'
import {mappingDigest} from '../../routing/plan.js'
import {recordedEntity} from '../target.js'
import type {RouteStore, StoredRoute} from './store.js'

/**
 * Tells tables that differ only as a command leaves them that died between two files: in sources whose record says
 * `applying`, each of them with what was there before it or after it. The records are those of the first question,
 * because whoever heals them writes new ones before the files.
 */
export function tornTables(store: RouteStore, lattice: string): (tables: readonly MappingTable[]) => Promise<boolean> {
  let listing: Promise<StoredRoute[]> | undefined
  return async (tables) => {
    listing ??= store.list({readable: true})
    const torn = (await listing)
      .filter(({record}) => record.state === 'applying')
      .map((stored) => ({record: stored.record, sources: sourcesOf(lattice, stored)}))
      .filter(({record: {digest, replacedDigest}, sources}) =>
        tables.every((table) => [digest, replacedDigest].includes(digestOf(table, sources))),
      )
      .flatMap(({sources}) => sources)
    const rest = (table: MappingTable): string[] => [...table.keys()].filter((source) => !torn.includes(source))
    return new Set(tables.map((table) => digestOf(table, rest(table)))).size <= 1
  }
}

function digestOf(table: MappingTable, sources: readonly string[]): string {
  return mappingDigest(sources.map((source) => ({source, destinations: table.get(source)})))
}

function sourcesOf(lattice: string, stored: StoredRoute): string[] {
  return endpointsOf(lattice, recordedEntity(stored)).map(({source}) => source)
}
