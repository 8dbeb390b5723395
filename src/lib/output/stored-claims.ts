import type {StoredClaims} from '../cache/stored-claims.js'
import {table, type TableOptions} from './table.js'

/** Stored claims, a line a version; `last` marks the version that was started last. */
export function storedClaimsView(claims: readonly StoredClaims[], options: TableOptions): string {
  if (claims.length === 0 && options.terminal) return 'No claims are stored.'
  const rows = claims.map(({name, kind, version, callAlias, capabilities, last, key, problem}) => [
    name,
    kind,
    version ?? '?',
    last ? 'last' : '',
    callAlias ?? '',
    capabilities.join(','),
    key,
    problem ?? '',
  ])
  return table(['NAME', 'KIND', 'VERSION', 'STARTED', 'ALIAS', 'CAPABILITIES', 'KEY', 'PROBLEM'], rows, options)
}
