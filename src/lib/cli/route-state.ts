import {UsageError} from '../errors.js'
import {expandHome} from '../files/paths.js'
import type {RouteAccess, RouteState} from '../routes/access.js'

/** Where records of routes are kept; throws a UsageError. */
export function parseRouteState(text: string): RouteState {
  if (text === 'none') return {kind: 'none'}
  const path = /^file:(.+)$/.exec(text)?.[1]
  if (path !== undefined) return {kind: 'file', path: expandHome(path)}
  throw new UsageError(`${JSON.stringify(text)} says not where records are kept.`, {
    suggestions: ['--state file:routes.json', '--state none'],
  })
}

/** For commands without a flag for it, which must not stop what a route leads to. */
export function recordedElsewhere(env: NodeJS.ProcessEnv): RouteAccess | undefined {
  const state = env['LATTICE_STATE']
  return state ? {state: parseRouteState(state)} : undefined
}
