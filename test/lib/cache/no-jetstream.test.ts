import {afterAll, beforeAll, expect, test} from 'vitest'

import {Bucket} from '../../../src/lib/cache/bucket.js'
import type {LatticeError} from '../../../src/lib/errors.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {specFor} from '../../support/failed-connection.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

let plain: TestServer
let hub: TestServer

beforeAll(async () => {
  plain = await startNatsServer()
  const accounts = [
    'accounts {',
    'WITH {jetstream: enabled, users: [{user: with, password: p}]},',
    'WITHOUT {users: [{user: without, password: p}]}',
    '}',
  ]
  hub = await startNatsServer({
    config: `jetstream {domain: hub, store_dir: "${plain.dir}/hub"}\n${accounts.join('\n')}`,
  })
})

afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  await plain[Symbol.asyncDispose]()
})

async function failureOf(spec: ConnectSpec): Promise<LatticeError> {
  const nc = await openConnection(spec)
  try {
    const read = await Bucket.at(nc, 'LATTICEDATA_default', spec)
      .last('CLAIMS_x')
      .catch((error: unknown) => error)
    return read as LatticeError
  } finally {
    await nc.close()
  }
}

const as = (user: string, more: Partial<ConnectSpec> = {}): ConnectSpec =>
  specFor(hub.url, {credentials: {kind: 'user', user, password: 'p'}, ...more})

test.each<[string, () => ConnectSpec, string, readonly string[]]>([
  [
    'server-without-jetstream',
    () => specFor(plain.url),
    'The server runs without JetStream.',
    ['Start nats-server with -js, or use lattice up.', '--js-domain NAME, when another server has it'],
  ],
  [
    'account-without-jetstream',
    () => as('without'),
    'JetStream is not enabled for this account.',
    ['lattice context check', 'nsc edit account --js-enable 1'],
  ],
  [
    'domain-unknown',
    () => as('with', {jsDomain: 'nowhere'}),
    "Nobody answers for the JetStream domain 'nowhere'.",
    ['--js-domain hub', 'lattice context show'],
  ],
  [
    'domain-unknown',
    () => specFor(plain.url, {jsDomain: 'nowhere'}),
    "Nobody answers for the JetStream domain 'nowhere'.",
    ['lattice context show'],
  ],
  [
    'api-prefix-unknown',
    () => as('with', {jsApiPrefix: 'JS.elsewhere'}),
    "Nobody answers for JetStream under the prefix 'JS.elsewhere'.",
    ['lattice context show', '--js-domain hub'],
  ],
])('%s is a sentence of its own', async (reason, spec, message, suggestions) => {
  expect(await failureOf(spec())).toMatchObject({kind: 'connection', message, suggestions, details: {reason}})
})

test('the right domain leads to a bucket that is missing', async () => {
  expect(await failureOf(as('with', {jsDomain: 'hub'}))).toMatchObject({kind: 'notFound'})
})
