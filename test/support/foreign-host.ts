import type {Msg, NatsConnection} from '@nats-io/transport-node'

import {createKey} from '../../src/lib/keys/nkey.js'

/** A host of other people, as far as a client can see it: answers on real subjects with what it is told. */
export interface ForeignHost {
  readonly id: string
  /** Last subject token and body of each request to change something, in order. */
  readonly received: {readonly command: string; readonly body: Record<string, unknown>}[]
}

export interface ForeignOptions {
  readonly lattice: string
  readonly inventory: (id: string) => object
  readonly claims?: readonly object[]
  readonly ack?: object
}

const actor = 'MAIJUKJUS4RWH3KQPKDEFXSN35TS3SV5ENKAKLKV6K2FCRRZF6PMARO2'
const provider = 'VBXTCLK6EXHDADHJ3WIZUHYAAMR5FT2JZHXSU2Q4VVYA65E4MRQWC3NE'

/** Keys of what the sample inventories hold. */
export const foreignKeys = {actor, provider}

/** An inventory as OTP hosts send it (§2.2). */
export function otpInventory(id: string): object {
  return {
    host_id: id,
    issuer: 'CISSUER',
    labels: {'hostcore.os': 'linux'},
    friendly_name: 'cold-moon-1',
    actors: [
      {
        id: actor,
        image_ref: 'reg/echo:0.3.4',
        name: 'echo',
        instances: [
          {annotations: {}, instance_id: 'a', revision: 4},
          {annotations: {}, instance_id: 'b', revision: 4},
        ],
      },
    ],
    providers: [
      {
        id: provider,
        image_ref: 'reg/httpserver:0.19.1',
        contract_id: 'wasmcloud:httpserver',
        link_name: 'default',
        name: 'HTTP Server',
        instance_id: 'c',
        annotations: {},
        revision: 1631292694,
      },
    ],
  }
}

/** An inventory as Rust hosts of 0.82 send it; those of 0.81 have `max_concurrent` and no version. */
export function rustInventory(id: string, image = 'reg/echo:0.3.4'): object {
  return {
    host_id: id,
    issuer: 'CISSUER',
    labels: {},
    friendly_name: 'quiet-sun-2',
    version: '0.82.0',
    uptime_human: '1m',
    uptime_seconds: 60,
    actors: [
      {
        id: actor,
        image_ref: image,
        name: null,
        instances: [{annotations: {}, instance_id: 'd', image_ref: image, max_instances: 7, revision: 4}],
      },
    ],
    providers: [],
  }
}

/** Plays a v0 host. Its subscriptions end with the connection. */
export function playV0Host(nc: NatsConnection, version: string, options: ForeignOptions): ForeignHost {
  const id = createKey('N').publicKey
  const prefix = `wasmbus.ctl.${options.lattice}`
  const received: ForeignHost['received'] = []
  const labels = {'hostcore.os': 'linux'}
  const ping = {id, labels, friendly_name: 'cold-moon-1', uptime_seconds: 61, version, lattice_prefix: options.lattice}
  reply(nc, `${prefix}.ping.hosts`, () => ping)
  reply(nc, `${prefix}.get.${id}.inv`, () => options.inventory(id))
  reply(nc, `${prefix}.get.claims`, () => ({claims: options.claims ?? []}), `${prefix}.get`)
  reply(nc, `${prefix}.cmd.${id}.*`, (msg) => {
    received.push({command: msg.subject.split('.').at(-1), body: msg.json()})
    return options.ack ?? {accepted: true, error: ''}
  })
  return {id, received}
}

/** Plays a v1 host that answers a ping. */
export function playV1Host(nc: NatsConnection, lattice: string): string {
  const id = createKey('N').publicKey
  const response = {id, friendly_name: 'new-hill-3', labels: {}, lattice, uptime_seconds: 5, version: '1.9.2'}
  reply(nc, `wasmbus.ctl.v1.${lattice}.host.ping`, () => ({success: true, message: '', response}))
  return id
}

function reply(nc: NatsConnection, subject: string, answer: (msg: Msg) => object, queue?: string): void {
  nc.subscribe(subject, {
    ...(queue === undefined ? {} : {queue}),
    callback: (_error, msg) => void msg.respond(JSON.stringify(answer(msg))),
  })
}
