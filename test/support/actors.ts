import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'

import {encode} from '@msgpack/msgpack'
import type {Msg, NatsConnection} from '@nats-io/transport-node'

import {signModule} from '../../src/lib/wasm/module.js'
import {createKey, type SigningKey} from '../../src/lib/keys/nkey.js'
import {decodeInvocation, type Invocation} from '../../src/lib/rpc/invocation.js'
import {encodeResponse} from '../../src/lib/rpc/response.js'
import {compileGuest} from './guests.js'

export interface SignedActor {
  /** `file://` reference. */
  readonly ref: string
  readonly key: string
}

export interface SignActor {
  readonly name?: string
  readonly version?: string
  readonly key?: string
  readonly issuer?: SigningKey
  readonly caps?: readonly string[]
  readonly callAlias?: string
}

let probe: Promise<Uint8Array> | undefined

/** Puts a signed probe actor, which can do what an actor should not, into a folder. */
export async function writeProbe(folder: string, options: SignActor = {}): Promise<SignedActor> {
  probe ??= compileGuest('probe')
  const {name = 'probe', version = '1.0.0', key = createKey('M').publicKey, issuer = createKey('A')} = options
  const {caps = [], callAlias} = options
  const issuedAt = Math.floor(Date.now() / 1000)
  const signed = signModule(await probe, {key, issuer, name, version, caps, callAlias, issuedAt})
  const path = join(folder, `${name}-${version}-${key.slice(0, 8)}.wasm`)
  await writeFile(path, signed)
  return {ref: pathToFileURL(path).href, key}
}

/** What a played actor answers; nothing at all when undefined. */
export interface PlayedAnswer {
  readonly msg?: Uint8Array
  readonly error?: string
}

/** Plays an actor: answers calls on its unversioned subject. Its subscription ends with the connection. */
export async function playActor(
  nc: NatsConnection,
  {lattice, key}: {lattice: string; key: string},
  answer: (call: Invocation) => PlayedAnswer | undefined | Promise<PlayedAnswer>,
): Promise<void> {
  const subject = `wasmbus.rpc.${lattice}.${key}`
  const respond = async (msg: Msg): Promise<void> => {
    const call = decodeInvocation(msg.data)
    const answered = await answer(call)
    if (answered === undefined) return
    const {msg: bytes = new Uint8Array(), error} = answered
    const response = {invocationId: call.id, msg: bytes, contentLength: bytes.length}
    msg.respond(encodeResponse(error === undefined ? response : {...response, error}))
  }
  nc.subscribe(subject, {queue: subject, callback: (_error, msg) => void respond(msg)})
  await nc.flush()
}

/** An HTTP answer as an actor encodes it. */
export function httpAnswer(answer: {
  statusCode?: number
  header?: Record<string, string[]>
  body?: Uint8Array | string
}): Uint8Array {
  const {statusCode = 200, header = {}, body = ''} = answer
  return encode({statusCode, header, body: Buffer.from(body)})
}
