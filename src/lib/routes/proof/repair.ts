import type {ChangeOptions} from '../draft.js'
import type {RouteChange} from '../result.js'
import type {RouteDeps} from '../session.js'
import {changeMany} from '../text/many.js'
import type {RouteVerification} from './verify.js'

/**
 * Makes what is recorded live again on every server, by computing and checking it anew and writing it into the newest
 * token or file. Routes that are live already are left alone.
 */
export async function repairRoutes(
  deps: RouteDeps,
  {routes}: RouteVerification,
  options: ChangeOptions,
): Promise<RouteChange[]> {
  const asked = routes
    .filter(({live}) => !live)
    .map(({key, link, legs, kind}) => ({
      target: kind === 'subject' ? {sources: [key]} : {ref: {name: key, ...(link === undefined ? {} : {link})}},
      legs,
    }))
  return asked.length === 0 ? [] : changeMany(deps, {strategy: 'repair', asked}, {...options, repair: true})
}
