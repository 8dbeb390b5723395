import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {z} from 'zod'

import Call from '../../src/commands/call.js'
import EntityInspect from '../../src/commands/entity/inspect.js'
import EntityLs from '../../src/commands/entity/ls.js'
import {encodeVersion} from '../../src/lib/entity/version.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {plainSpec} from '../support/host.js'
import {startNatsServer, type TestServer} from '../support/nats-server.js'
import {run} from '../support/run.js'
import {behind, runService} from '../support/services.js'

// Typed by hand, so that a key that is renamed or removed fails here. A key that is added is added here too.

const text = z.string().min(1)
const count = z.int().min(0)

const service = z.strictObject({
  kind: z.literal('service'),
  key: text,
  name: text,
  endpoints: z.array(z.strictObject({source: text, addresses: z.record(text, text), queue: text.optional()})),
  instances: z.array(z.strictObject({version: text, host: text, count, dark: z.boolean()})),
  service: z.strictObject({
    endpoints: z.array(
      z.strictObject({
        name: text,
        source: text.optional(),
        versions: z.array(z.strictObject({version: text, subject: text, queue: text.optional(), instances: count})),
        faults: z.array(text),
      }),
    ),
    implicitSplits: z.array(
      z.strictObject({
        endpoint: text,
        subject: text,
        queue: text.optional(),
        versions: z.array(z.strictObject({version: text, share: count})),
      }),
    ),
    notes: z.array(text),
    unread: count,
    unanswered: z.array(text).optional(),
    declared: z.strictObject({where: text, description: text.optional()}).optional(),
  }),
})
// Who listens on plain subjects has no name; a version of {v:dash} is not told either.
const declared = z.strictObject({
  ...service.shape,
  instances: z.array(z.strictObject({version: text.optional(), host: z.literal(''), count, dark: z.boolean()})),
})
const list = z.strictObject({lattice: text, entities: z.array(service), silent: z.array(text)})
const call = z.strictObject({
  entity: text,
  key: text,
  version: text,
  operation: text,
  subject: text,
  result: z.unknown(),
})

let server: TestServer
let nc: NatsConnection
beforeAll(async () => {
  server = await startNatsServer()
  nc = await openConnection(plainSpec(server.url, 'default'))
  for (const major of [1, 2]) {
    const shared = {find: {subject: 'stock.find'}}
    await runService(nc, {name: 'orders', version: `${major}.0.0`, endpoints: {get: behind('orders.get', major)}})
    await runService(nc, {name: 'stock', version: `${major}.0.0`, queue: '', endpoints: shared})
    nc.subscribe(`plain.${encodeVersion(`${major}.0.0`)}.get`, {queue: 'plain'})
  }
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

test.each([
  [EntityLs, [], list],
  [EntityInspect, ['orders'], service],
  [EntityInspect, ['stock'], service],
  [Call, ['orders@1.0.0', 'get'], call],
  [EntityInspect, ['stock-plain', '--services', 'test/fixtures/services.yaml'], declared],
] as const)('the result of a command about services keeps its keys: %o %j', async (command, argv, schema) => {
  const env = {XDG_CONFIG_HOME: server.dir, LATTICE_CONTEXT: undefined}
  const {exitCode, json} = await run(command, [...argv, '-s', server.url, '--json'], env)
  expect(exitCode).toBe(0)
  expect(schema.safeParse(json()).error).toBeUndefined()
})
