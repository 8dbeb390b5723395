import {LatticeError} from '../../errors.js'
import {legLabel} from '../../routing/weights.js'
import {knownRoutes} from '../find.js'
import {openSession, type RouteDeps, type Session, type SessionOptions} from '../session.js'
import {openStore} from '../store/store.js'
import {judgeDue, reconcileDue} from './reconcile.js'
import type {Reconciled} from './restore.js'

/** Opens a session for a change: routes whose time is over are put back first, and the session tells that. */
export async function openReady(deps: RouteDeps, options: SessionOptions): Promise<Session> {
  const listing = openStore(deps.connection, deps.spec, deps.access?.state).then((store) =>
    store.list({readable: true}),
  )
  const listed = listing.then(
    (records) => ({records, trouble: []}),
    // Servers that are gone may take the list with them; what is to be changed has its own record.
    (error: unknown) => {
      if (!(error instanceof LatticeError)) throw error
      return {records: [], trouble: [`Whether the time of some route is over is not known: ${error.message}`]}
    },
  )
  listed.catch(() => undefined)
  const session = await openSession(deps, options)
  const {records, trouble} = await listed
  if (trouble.length > 0) return {...session, notes: trouble}
  const expired = records.filter((stored) => judgeDue(session, stored) === 'expired')
  if (expired.length === 0) return session
  const keys = new Set(expired.map(({key}) => key))
  const known = await knownRoutes(deps, session.store)
  const {dryRun} = options
  const done = await reconcileDue(session, known, {
    dryRun,
    isDue: (stored) => (keys.has(stored.key) && judgeDue(session, stored) === 'expired' ? 'expired' : undefined),
  })
  const notes = done.map((route) => tell(route, dryRun ?? false))
  return dryRun ? {...session, notes} : {...session, notes, view: await session.driver.read()}
}

function tell({entity, expiresAt = '?', action, legs, reason}: Reconciled, dryRun: boolean): string {
  const what = `The time of the route of '${entity}' was over at ${expiresAt}`
  if (action === 'kept') return `${what}, and it stays as it is: ${reason ?? ''}`
  const back = legs.map((leg) => `${legLabel(leg)} ${leg.weight} %`).join(', ')
  return `${what}: it ${dryRun ? 'would go' : 'went'} back to ${back || 'no mapping'}.`
}
