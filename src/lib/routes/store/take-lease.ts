import {entityName} from '../../entity/require.js'
import {withLock} from '../../server/lock.js'
import type {ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {formatWho} from '../who.js'
import {writable} from './file-store.js'
import {AccountLease} from './lease.js'

/** The right to change the account's mappings for as long as it is not disposed. */
export interface Lease extends AsyncDisposable {
  /** Throws a LeaseLostError when somebody else may hold it by now. */
  check: () => void
}

/**
 * Takes the lease where the records are kept: in JetStream for all who use the account, beside a file of records for
 * those who use that file. Without records what is compared is the token or the file alone.
 */
export async function takeLease(session: Session, plans: readonly ChangePlan[]): Promise<Lease> {
  const {clock, deps, facts, who} = session
  const {state} = deps.access ?? {}
  if (state?.kind === 'none') return {check: () => undefined, [Symbol.asyncDispose]: () => Promise.resolve()}
  if (state?.kind === 'file') return lockBeside(state.path, session)
  const names = plans.map(({wanted: {entity}}) => entityName(entity))
  return AccountLease.acquire(
    {holder: formatWho(who), what: `route ${plans[0]!.wanted.strategy} ${names.join(' ')}`},
    {
      nc: deps.connection,
      spec: deps.spec,
      clock,
      clockOffsetMs: facts.clockOffsetMs,
      timeoutMs: deps.spec.timeoutMs,
      like: `LATTICEDATA_${deps.spec.lattice}`,
    },
  )
}

async function lockBeside(path: string, {clock, deps}: Session): Promise<Lease> {
  const taken = Promise.withResolvers<undefined>()
  const released = Promise.withResolvers<undefined>()
  const held = writable(path, () =>
    withLock(`${path}.lock`, {clock, waitMs: deps.spec.timeoutMs}, async () => {
      taken.resolve(undefined)
      await released.promise
    }),
  )
  held.catch(taken.reject)
  await taken.promise
  return {
    check: () => undefined,
    [Symbol.asyncDispose]: async () => {
      released.resolve(undefined)
      await held
    },
  }
}
