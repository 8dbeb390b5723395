import type {NatsConnection} from '@nats-io/transport-node'
import {expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startConfigServers} from '../../support/config-servers.js'
import {startOperatorServer} from '../../support/nats-server.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {configEnv, operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'
import {exportingAccount, importServices} from '../../support/second-account.js'
import {writeUser} from '../../support/users.js'

interface Accounts {
  /** Of the account that exports, and of the one that imports and maps. */
  readonly worker: NatsConnection
  readonly caller: NatsConnection
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A cutover in the importing account while workers of the other account are at requests, which they answer later. */
async function cutOverInFlight(service: PlainService, {worker, caller, env}: Accounts): Promise<void> {
  const [first, second] = service.addresses as [string, string]
  const {promise: released, resolve: release} = Promise.withResolvers<undefined>()
  const {promise: allThere, resolve: arrived} = Promise.withResolvers<undefined>()
  let held = 0
  worker.subscribe(first, {
    callback: (_error, message) => {
      if (++held === 64) arrived(undefined)
      void released.then(() => message.respond('1.0.0'))
    },
  })
  worker.subscribe(second, {callback: (_error, message) => void message.respond('2.0.0')})
  await worker.flush()
  const begun = await run(RouteAb, ['100/0', ...service.words, '--json'], env)
  expect(begun.json()).toMatchObject({changed: true, servers: {applied: 1}})

  const inFlight = measure(caller, service.source, 64)
  await allThere
  const change = await run(RouteAb, ['0/100', ...service.words, '--json'], env)
  expect(change.json()).toMatchObject({changed: true, servers: {applied: 1}})
  expect(await measure(caller, service.source, 50)).toEqual({'2.0.0': 50})
  release(undefined)
  expect(await inFlight).toEqual({'1.0.0': 64})
  expect(await run(RouteVerify, [], env)).toMatchObject({exitCode: 0})
}

test('with accounts as tokens, a cutover in the importing account loses no request that is in flight', async () => {
  const service = plainService()
  await using server = await startOperatorServer()
  const exporter = await exportingAccount(server, service.addresses)
  await importServices(server, exporter, service.addresses)
  const credentials = {kind: 'creds', file: await writeUser(server.dir, exporter)} as const
  const worker = await openConnection({...server.spec(), credentials})
  const caller = await openConnection(server.spec())
  try {
    await cutOverInFlight(service, {worker, caller, env: operatorEnv(server)})
  } finally {
    await Promise.all([worker.close(), caller.close()])
  }
})

test('with accounts in files, a cutover in the importing account loses no request that is in flight', async () => {
  const service = plainService()
  const exports = service.addresses.map((subject) => `{service: "${subject}"}`).join(', ')
  const imports = service.addresses.map((subject) => `{service: {account: FAR, subject: "${subject}"}}`).join(', ')
  await using all = await startConfigServers({
    jetstream: true,
    account: `jetstream: enabled, imports: [${imports}]`,
    accounts: `FAR { users: [{user: far, password: far}], exports: [${exports}] }`,
  })
  const worker = await openConnection(all.spec('far'))
  try {
    await cutOverInFlight(service, {worker, caller: await all.connect(), env: configEnv(all)})
  } finally {
    await worker.close()
  }
})
