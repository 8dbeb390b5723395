import {LatticeError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import {actorEntity, type RpcEntity} from '../rpc/address.js'
import {CallError, invoke} from '../rpc/caller.js'
import type {HostContext} from './context.js'
import type {OutgoingCall} from '../wasm/guest.js'

/** Who calls out. */
export interface CallingActor {
  readonly key: string
  /** Contract ids it claims. */
  readonly caps: readonly string[]
}

/**
 * Makes the call an actor asks for: to an actor by key or call alias, or to the provider it is linked to (§5). Rejects
 * with an Error whose message is for the guest.
 */
export async function callOut(
  context: HostContext,
  caller: CallingActor,
  {binding, namespace, operation, payload, deadline}: OutgoingCall & {readonly deadline: number},
): Promise<Uint8Array> {
  const target = targetOf(context, caller, {namespace, link: binding || 'default'})
  const timeoutMs = Math.max(1, Math.min(context.rpcTimeoutMs, deadline - Date.now()))
  const {nc, lattice, clusterKey, id: hostId} = context
  try {
    return await invoke(nc, {
      lattice,
      origin: actorEntity(caller.key),
      target,
      operation,
      payload,
      clusterKey,
      hostId,
      timeoutMs,
    })
  } catch (error) {
    if (error instanceof CallError) throw new Error(error.reason, {cause: error})
    throw error instanceof LatticeError ? new Error(error.message, {cause: error}) : error
  }
}

/** A link is looked up before an alias, so that nobody can claim a contract's name as alias and get its calls. */
function targetOf(
  {records}: HostContext,
  {key, caps}: CallingActor,
  {namespace, link}: {namespace: string; link: string},
): RpcEntity {
  if (isPublicKey(namespace, 'M')) return actorEntity(namespace)
  const found = records.findLink({actor_id: key, contract_id: namespace, link_name: link})
  if (found !== undefined) {
    if (!caps.includes(namespace)) throw new Error(`The actor does not claim the capability '${namespace}'.`)
    return {publicKey: found.provider_id, linkName: link, contractId: namespace}
  }
  const [aliased, ...more] = records.keysOfAlias(namespace)
  if (more.length > 0) throw new Error(`The call alias '${namespace}' belongs to several actors.`)
  if (aliased !== undefined) return actorEntity(aliased)
  throw new Error(`'${namespace}' is neither an actor nor a call alias, and no link '${link}' for it is there.`)
}
