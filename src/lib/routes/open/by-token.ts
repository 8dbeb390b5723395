import {openJwtDriver} from '../../apply/jwt-driver.js'
import {systemClock} from '../../clock.js'
import {hasOperatorKey, readOperatorKey} from '../../nats/operator-key.js'
import type {RouteDeps, Session, SessionOptions} from '../session.js'
import {ownSources} from '../store/own-sources.js'
import {openStore} from '../store/store.js'
import {isTokenAccount, NoTokenAccountError, type Who} from '../who.js'
import {allOrMissing} from './missing.js'
import {needJetStream, openSystem} from './needs.js'

/** Accounts that are tokens: signed with the operator's key and pushed by the system account. */
export async function openByToken(
  deps: RouteDeps,
  who: Who,
  {dryRun = false, repair = false}: SessionOptions,
): Promise<Session> {
  const {connection, spec, clock = systemClock} = deps
  if (!isTokenAccount(who.account)) throw new NoTokenAccountError(who.account)
  const [key, system, , store] = await allOrMissing(
    [
      dryRun && !hasOperatorKey(spec) ? undefined : readOperatorKey(spec),
      openSystem(deps),
      needJetStream(deps),
      openStore(connection, spec, deps.access?.state),
    ],
    ['--driver leaf   (needs neither; lattice leaf run --help)'],
  )
  const ahead = deps.secondsAhead === undefined ? {} : {secondsAhead: deps.secondsAhead}
  const found = {
    system,
    account: who.account,
    clock,
    key,
    spec,
    ownSources: () => ownSources(store),
    newest: repair,
    ...ahead,
  }
  const {driver, facts, view} = await openJwtDriver(found)
  const sealer = key === undefined ? {} : {sealer: key}
  return {deps, clock, lattice: spec.lattice, store, driver, system, account: who.account, facts, who, view, ...sealer}
}
