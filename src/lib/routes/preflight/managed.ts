import {LatticeError, NotFoundError} from '../../errors.js'
import {finding, type Finding} from '../../routing/rule-book.js'
import type {Session} from '../session.js'

/**
 * What speaks against pushing a token of our own: a control plane that manages the account pushes its own one over it at
 * its next change. Known where LATTICE_CP_URL says whom to ask; a token does not show who makes it.
 */
export async function judgeManaged({
  deps,
  driver,
  account,
}: Pick<Session, 'deps' | 'driver' | 'account'>): Promise<Finding[]> {
  const {controlPlane} = deps.access ?? {}
  if (driver.name !== 'jwt' || controlPlane?.url === undefined) return []
  const refused = (sentence: string): Finding[] => [finding('managed-account', 'refuse', {sentence})]
  try {
    const {openControlPlane} = await import('../../control-plane/open.js')
    const {findAccount} = await import('../../control-plane/account.js')
    const plane = await openControlPlane(controlPlane, {timeoutMs: deps.spec.timeoutMs, clock: deps.clock})
    const {id} = await findAccount(plane, account, controlPlane.account)
    return refused(`The control plane '${plane.shown}' manages account '${account}' (there '${id}').`)
  } catch (error) {
    if (!(error instanceof LatticeError)) throw error
    if (isUnmanaged(error)) return []
    return refused(`Whether a control plane manages the account is not known: ${error.message}`)
  }
}

/** It answered, and has no such account. */
function isUnmanaged(error: LatticeError): boolean {
  return error instanceof NotFoundError && error.details['unseen'] === 0
}
