import type {IncomingMessage, ServerResponse} from 'node:http'

import {encode} from '@msgpack/msgpack'
import {z} from 'zod'

import {parseWire} from '../rpc/invocation.js'

/** The operation that a linked actor answers (§10). */
export const handleRequest = 'HttpServer.HandleRequest'

/** An HTTP answer as an actor gives it. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly body: Uint8Array
}

const answerSchema = z.looseObject({
  statusCode: z.number().int().min(200).max(599),
  header: z.record(z.string(), z.array(z.string())).nullish(),
  body: z.instanceof(Uint8Array).nullish(),
})

/** Headers that are between this server and its client, and no business of the actor. */
const ofTheConnection = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** The request as the payload of handleRequest: a MessagePack map. */
export function encodeHttpRequest(request: IncomingMessage, body: Uint8Array): Uint8Array {
  const {path, queryString} = splitTarget(request.url ?? '/')
  return encode({
    method: request.method ?? 'GET',
    path,
    queryString,
    header: {...request.headersDistinct},
    body,
  })
}

/** Reads an actor's answer; throws a ServerError when it is none. */
export function decodeHttpAnswer(payload: Uint8Array): HttpAnswer {
  const {statusCode, header, body} = parseWire(answerSchema, payload, 'HTTP answer')
  return {status: statusCode, headers: header ?? {}, body: body ?? new Uint8Array()}
}

/** Sends an actor's answer; throws when a header of it cannot be sent, before anything was. */
export function sendAnswer(response: ServerResponse, {status, headers, body}: HttpAnswer): void {
  for (const [name, values] of Object.entries(headers)) {
    if (!ofTheConnection.has(name.toLowerCase())) response.setHeader(name, values)
  }
  response.statusCode = status
  response.end(body)
}

/** Sends a reason of this server's own, as one line of text. */
export function sendReason(response: ServerResponse, status: number, reason: string): void {
  for (const name of response.getHeaderNames()) if (name !== 'connection') response.removeHeader(name)
  response.statusCode = status
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.end(`${reason}\n`)
}

function splitTarget(url: string): {path: string; queryString: string} {
  // A proxy may name the whole URL; an actor is told the path.
  const target = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i, '')
  const at = target.indexOf('?')
  const path = at < 0 ? target : target.slice(0, at)
  return {path: path === '' ? '/' : path, queryString: at < 0 ? '' : target.slice(at + 1)}
}
