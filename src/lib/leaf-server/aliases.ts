import type {TableChange} from '../apply/driver.js'
import type {LeafState} from '../leaf/state.js'
import {asDestination} from '../routing/endpoint.js'
import type {LeafMappings} from './table.js'

/**
 * What is kept away from a leaf node beside its callers (`deny_imports`) does not leave it either. So it reaches the
 * account's servers through a second account of the same server, under these names: one for a share that a route leaves
 * on the source, one for a source that no route splits.
 */
export function sourceAlias(source: string): string {
  return `LATTICE.source.${source}`
}

/** See sourceAlias. */
export function unroutedAlias(source: string): string {
  return `LATTICE.unrouted.${source}`
}

/** The sources that have such names: none where callers of the whole account are split. */
export function aliasedSources({
  form,
  sources,
}: {
  readonly form: LeafState['form']
  readonly sources: readonly string[]
}): readonly string[] {
  return form === 'beside' ? sources : []
}

/** What the file has to say for these mappings: every source is in it. Without sources it says what they say. */
export function encodeMappings(mappings: LeafMappings, sources: readonly string[]): LeafMappings {
  const all = [...new Set([...sources, ...Object.keys(mappings)])]
  const change = all.map((source) => ({source, destinations: mappings[source]}))
  return Object.fromEntries(
    encodeChange(change, sources).flatMap(({source, destinations}) =>
      destinations === undefined ? [] : [[source, [...destinations]]],
    ),
  )
}

/** The change that the file has to get. */
export function encodeChange(change: TableChange, sources: readonly string[]): TableChange {
  return change.map(({source, destinations}) => {
    if (!sources.includes(source)) return {source, destinations}
    const [own, alias] = [asDestination(source), asDestination(sourceAlias(source))]
    return {
      source,
      destinations: destinations?.map((one) => (one.subject === own ? {...one, subject: alias} : one)) ?? [
        {subject: asDestination(unroutedAlias(source)), weight: 100},
      ],
    }
  })
}

/** What a file, or a server, says in our words. */
export function decodeMappings(mappings: LeafMappings): LeafMappings {
  return Object.fromEntries(
    Object.entries(mappings).flatMap(([source, list]) => {
      if (list.length === 1 && list[0]!.subject === asDestination(unroutedAlias(source))) return []
      const [own, alias] = [asDestination(source), asDestination(sourceAlias(source))]
      return [[source, list.map((one) => (one.subject === alias ? {...one, subject: own} : one))]]
    }),
  )
}
