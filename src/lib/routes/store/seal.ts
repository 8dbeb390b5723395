import type {Entity} from '../../entity/entity.js'
import {verify} from '../../keys/nkey.js'
import type {RouteRecord} from '../../records/route.js'
import {mappingDigest, planRoute} from '../../routing/plan.js'
import {routeKey} from '../../routing/source.js'
import type {Leg} from '../../routing/weights.js'
import type {Session} from '../session.js'

/** What a route for some time goes back to. */
export interface Sealed {
  readonly entity: Entity
  readonly restores: readonly Leg[]
}

type Sealer = Pick<Session, 'sealer' | 'account' | 'lattice'>

/** The operator key's word for what a route goes back to; undefined without such a key. */
export function sealRestores(session: Sealer, sealed: Sealed): string | undefined {
  const {sealer} = session
  return sealer && Buffer.from(sealer.sign(textOf(session, sealed))).toString('base64url')
}

/** True when the record's seal is the word of the key that is at hand, for exactly the mapping that it would come to. */
export function isSealed(
  session: Sealer,
  entity: Entity,
  {seal, restores, replaced}: Pick<RouteRecord, 'seal' | 'restores' | 'replaced'>,
): boolean {
  const {sealer} = session
  if (sealer === undefined || seal === undefined) return false
  const text = textOf(session, {entity, restores: restores ?? replaced})
  return verify(sealer.publicKey, text, Buffer.from(seal, 'base64url'))
}

/** Begins as no token does, so that none can be made of it. */
function textOf({account, lattice}: Sealer, {entity, restores}: Sealed): Uint8Array {
  const digest = restores.length === 0 ? '' : mappingDigest(planRoute(lattice, entity, restores))
  return Buffer.from(JSON.stringify(['lattice route restores', account, lattice, routeKey(entity), digest]))
}
