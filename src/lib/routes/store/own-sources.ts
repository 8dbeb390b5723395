import type {RouteStore} from './store.js'

/** Sources of everything that lattice has a record of, whatever became of it. */
export async function ownSources(store: Pick<RouteStore, 'list'>): Promise<string[]> {
  const stored = await store.list({readable: true})
  return stored.flatMap(({record}) => [record.source, ...(record.endpoints ?? []).map(({source}) => source)])
}
