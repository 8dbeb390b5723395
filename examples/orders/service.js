// A NATS micro service in any version: node service.js 1.0.0
import {readFile} from 'node:fs/promises'

import {Svcm} from '@nats-io/services'
import {connect, credsAuthenticator} from '@nats-io/transport-node'

const {NATS_URL = 'nats://127.0.0.1:4222', NATS_CREDS} = process.env
const authenticator = NATS_CREDS && credsAuthenticator(await readFile(NATS_CREDS))
const nc = await connect({servers: NATS_URL, ...(authenticator && {authenticator})})

const version = process.argv[2] ?? '1.0.0'
const major = version.split('.')[0]
const stored = new Map()
const service = await new Svcm(nc).add({name: 'orders', version})
endpoint('get', ({id}) => ({order: stored.get(id) ?? null}))
endpoint('put', (order) => ({stored: stored.set(order.id, order).size}))
await nc.flush()
process.stdout.write(`orders ${version} answers\n`)

/** Listens where this version alone does, and says where callers ask. */
function endpoint(name, answer) {
  service.addEndpoint(name, {
    subject: `orders.v${major}.${name}`,
    metadata: {'lattice.source': `orders.${name}`},
    handler: (error, msg) => {
      if (error) return
      try {
        msg.respond(JSON.stringify({...answer(msg.json()), version}))
      } catch {
        msg.respondError(400, 'the request is no JSON object')
      }
    },
  })
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => nc.drain())
