import type {IncomingMessage, ServerResponse} from 'node:http'

import {LatticeError} from '../errors.js'
import {NoRespondersError, RequestTimeoutError} from '../nats/request.js'
import {actorEntity, type RpcEntity} from '../rpc/address.js'
import {CallError, CallTooLargeError, invoke} from '../rpc/caller.js'
import {deadlineText} from '../rpc/response.js'
import type {HostContext} from './context.js'
import {refuseTooLarge} from './http-listener.js'
import {decodeHttpAnswer, encodeHttpRequest, handleRequest, sendAnswer, sendReason} from './http-message.js'

export type HttpHandler = (request: IncomingMessage, body: Uint8Array, response: ServerResponse) => Promise<void>

/**
 * Answers HTTP requests with what an actor says, called on its unversioned subject so that its route decides: 413 when
 * the request fits into no message, 502 when the actor fails, 503 when nobody is there, 504 when nobody answers in time.
 */
export function httpHandler(
  context: HostContext,
  {provider, actor}: {provider: RpcEntity; actor: string},
): HttpHandler {
  const {nc, lattice, clusterKey, id: hostId, rpcTimeoutMs: timeoutMs} = context
  const call = {
    lattice,
    origin: provider,
    target: actorEntity(actor),
    operation: handleRequest,
    clusterKey,
    hostId,
    timeoutMs,
  }
  return async (request, body, response) => {
    try {
      const payload = encodeHttpRequest(request, body)
      sendAnswer(response, decodeHttpAnswer(await invoke(nc, {...call, payload})))
    } catch (error) {
      if (error instanceof CallTooLargeError) {
        refuseTooLarge(request, response, nc.info?.max_payload ?? 0)
        return
      }
      const {status, reason} = failureOf(error)
      if (status === 502)
        context.report({kind: 'warning', message: `HTTP ${status} for actor ${actor}: ${textOf(error)}`})
      if (!response.headersSent) sendReason(response, status, reason)
    }
  }
}

/** What a client of the HTTP port is told; what the actor said is for its operator. */
function failureOf(error: unknown): {status: number; reason: string} {
  if (error instanceof NoRespondersError) return {status: 503, reason: 'Nobody is there to answer.'}
  const late = error instanceof RequestTimeoutError || (error instanceof CallError && error.reason === deadlineText)
  if (late) return {status: 504, reason: 'The actor did not answer in time.'}
  if (error instanceof LatticeError && error.kind === 'connection') {
    return {status: 503, reason: 'The lattice cannot be reached at the moment.'}
  }
  return {status: 502, reason: 'The actor failed to answer.'}
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
