import type {TableChange} from '../apply/driver.js'

/** The body of a change: these sources and nothing else, null for one without a mapping. */
export interface MappingsPatch {
  readonly jwt_settings: {readonly mappings: Readonly<Record<string, readonly PatchedDestination[] | null>>}
}

interface PatchedDestination {
  readonly subject: string
  readonly weight: number
  readonly cluster?: string
}

/** A change as a control plane takes it; destinations of weight 0 are left out, because in a token 0 means 100. */
export function mappingsPatch(change: TableChange): MappingsPatch {
  const mappings = change.map(({source, destinations}) => {
    const list = destinations
      ?.filter(({weight}) => weight > 0)
      .map(({subject, weight, cluster}) => ({subject, weight, ...(cluster ? {cluster} : {})}))
    return [source, list ?? null] as const
  })
  return {jwt_settings: {mappings: Object.fromEntries(mappings)}}
}
