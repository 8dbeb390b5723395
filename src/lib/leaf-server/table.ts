import {createHash} from 'node:crypto'

import type {LeafState} from '../leaf/state.js'
import {compareTables, type MappingTable, type TokenMappings} from '../routing/effective.js'
import {predictFile} from '../apply/config-table.js'

/** A leaf node's mappings, as they go over the wire. */
export type LeafMappings = LeafState['mappings']

/** The mappings of a file or of a server, as they go over the wire. */
export function wireMappings(mappings: TokenMappings | MappingTable): LeafMappings {
  const entries = mappings instanceof Map ? [...mappings] : Object.entries(mappings)
  return Object.fromEntries(
    entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([source, list]: [string, TokenMappings[string]]) => [
        source,
        list.map(({subject, weight, cluster}) => ({
          subject,
          weight: weight ?? 100,
          ...(cluster === undefined || cluster === '' ? {} : {cluster}),
        })),
      ]),
  )
}

/** The same on every leaf node with the same mappings. */
export function digestOf(mappings: LeafMappings): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(mappings)).digest('hex')}`
}

/** True when servers make the same of both. */
export function sameMappings(left: LeafMappings, right: LeafMappings): boolean {
  return compareTables(asTable(left), asTable(right)).length === 0
}

/** The table that a server makes of a file with these mappings. */
export function asTable(mappings: LeafMappings): MappingTable {
  return predictFile(new Map(Object.entries(mappings)))
}
