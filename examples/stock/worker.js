// A plain queue subscriber in any version: node worker.js 1.0.0
import {readFile} from 'node:fs/promises'

import {connect, credsAuthenticator} from '@nats-io/transport-node'

const {NATS_URL = 'nats://127.0.0.1:4222', NATS_CREDS} = process.env
const authenticator = NATS_CREDS && credsAuthenticator(await readFile(NATS_CREDS))
const nc = await connect({servers: NATS_URL, ...(authenticator && {authenticator})})

const version = process.argv[2] ?? '1.0.0'
const v = Buffer.from(version).toString('base64url')
for (const name of ['get', 'take']) {
  nc.subscribe(`stock.${v}.${name}`, {queue: 'stock', callback: answer})
}
await nc.flush()
process.stdout.write(`stock ${version} answers\n`)

function answer(error, msg) {
  if (!error) msg.respond(JSON.stringify({got: msg.string(), version}))
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => nc.drain())
