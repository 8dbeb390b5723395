import type {StoredLink} from '../cache/links.js'
import {table, type TableOptions} from './table.js'

/** Links, a line each. */
export function linksView(links: readonly StoredLink[], options: TableOptions): string {
  if (links.length === 0 && options.terminal) return 'No links are stored.'
  const rows = links.map(({actor, actorName, provider, providerName, contract, link, values, problem}) => [
    options.terminal ? (actorName ?? actor) : actor,
    options.terminal ? (providerName ?? provider) : provider,
    contract,
    link,
    Object.entries(values)
      .map(([name, value]) => `${name}=${value}`)
      .join(' '),
    problem ?? '',
  ])
  return table(['ACTOR', 'PROVIDER', 'CONTRACT', 'LINK', 'VALUES', 'PROBLEM'], rows, options)
}
