import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RoutePlan from '../../../src/commands/route/plan.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {importingAccount} from '../../support/importing-account.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run, type RunResult} from '../../support/run.js'
import {exportingAccount, importServices} from '../../support/second-account.js'
import {until} from '../../support/until.js'
import {changeAccount, writeUser} from '../../support/users.js'

interface Found {
  readonly rule: string
  readonly level: string
  readonly sentence: string
}

let server: OperatorServer
let connection: NatsConnection
beforeAll(async () => {
  server = await startOperatorServer()
  connection = await openConnection(server.spec())
})
afterAll(async () => {
  await connection.close()
  await server[Symbol.asyncDispose]()
})

const split = (service: PlainService, ...words: string[]): Promise<RunResult> =>
  run(RouteAb, ['70/30', ...service.words, ...words, '--json'], operatorEnv(server))

function findingsOf(result: RunResult): Found[] {
  const {error, findings} = result.json() as {error?: {details: {findings: Found[]}}; findings?: Found[]}
  return error?.details.findings ?? findings ?? []
}

async function listen(nc: NatsConnection, subject: string, queue?: string): Promise<void> {
  nc.subscribe(subject, {
    ...(queue === undefined ? {} : {queue}),
    callback: (_error, message) => void message.respond(subject),
  })
  await nc.flush()
}

describe('legs', () => {
  test('all that is wrong is said at once, each with its rule, why and fix', async () => {
    const service = plainService()
    const own = service.source.replace('.get', '.put')
    await listen(connection, `${service.source.split('.')[0]!}.*.put`, 'q')
    const addresses = ['v1', 'v2'].map((version) => service.source.replace('.get', `.${version}.put`))
    const words = addresses.flatMap((subject, index) => ['--leg', `${index + 1}.0.0=${subject}`])
    const plan = await run(
      RouteAb,
      ['50/20/30', '--source', own, ...words, '--leg', '3.0.0=nobody.hears.this', '--json'],
      operatorEnv(server),
    )
    expect(plan.exitCode).toBe(9)
    const found = findingsOf(plan)
    expect(found.map(({rule, level}) => `${rule} ${level}`)).toEqual([
      'no-subscriber refuse',
      'shared-leg refuse',
      'callers-unseen warn',
    ])
    for (const one of found)
      expect(one).toMatchObject({why: expect.any(String) as unknown, fix: expect.any(String) as unknown})
    expect(plan.json()).toMatchObject({
      error: {
        suggestions: [
          'Start the version first.',
          'Let each version listen on the subject of its own leg alone.',
          '--allow no-subscriber   (switches off this rule alone)',
          '--allow shared-leg   (switches off this rule alone)',
        ],
      },
    })
  })

  test('taps are told from queue groups, and who is in none answers besides', async () => {
    const service = plainService()
    await service.serve(connection)
    await listen(connection, `${service.addresses[0]!.replace('.get', '')}.>`)
    expect(findingsOf(await split(service, '--dry-run'))).toEqual([])
    await listen(connection, service.addresses[0]!)
    await listen(connection, service.addresses[1]!, 'tee')
    const found = findingsOf(await split(service, '--dry-run'))
    expect(found.map(({rule, level}) => `${rule} ${level}`)).toEqual(['every-instance warn', 'other-queue warn'])
    expect(found[1]!.sentence).toMatch(/'tee' listens to .*@2\.0\.0/)
  })

  test('a second version on the source of the incumbent is refused, and recorded where it is allowed', async () => {
    const service = plainService()
    await using other = await openConnection(server.spec())
    await listen(connection, service.source, 'q')
    await listen(other, service.source, 'q')
    await service.serve(other, '2.0.0')
    const words = ['--source', service.source, '--leg', '1.0.0=@source', '--leg', `2.0.0=${service.addresses[1]!}`]
    const refused = await run(RouteAb, ['90/10', ...words, '--json'], operatorEnv(server))
    expect(refused.exitCode).toBe(9)
    expect(findingsOf(refused)).toMatchObject([{rule: 'source-shared', level: 'refuse'}])
    const allow = ['--allow', 'source-shared', '--dry-run', '--json']
    const allowed = await run(RouteAb, ['90/10', ...words, ...allow], operatorEnv(server))
    expect(allowed.json()).toMatchObject({record: {allowances: ['source-shared']}, permissions: [service.addresses[1]]})
  })

  test('one process that serves both versions is told of, and not refused', async () => {
    const service = plainService()
    await listen(connection, service.source, 'q')
    await service.serve(connection, '2.0.0')
    const words = ['--source', service.source, '--leg', '1.0.0=@source', '--leg', `2.0.0=${service.addresses[1]!}`]
    const planned = await run(RouteAb, ['90/10', ...words, '--dry-run', '--json'], operatorEnv(server))
    expect(findingsOf(planned)).toMatchObject([{rule: 'source-shared', level: 'warn'}])
  })
})

describe('callers', () => {
  test('a dry run and a plan say what they need to publish', async () => {
    const service = plainService()
    await service.serve(connection)
    const planned = await run(RouteAb, ['70/30', ...service.words, '--dry-run'], operatorEnv(server))
    for (const address of service.addresses) expect(planned.stdout).toContain(`Callers need to publish ${address}\n`)
    const [one, two] = service.addresses as [string, string]
    const plan = await run(RoutePlan, ['70/30', ...service.words, '--json'], operatorEnv(server))
    expect(plan.json()).toMatchObject({plan: {routes: [{permissions: [one, two]}]}})
  })

  test("the defaults and roles of the account's token that reach the source and no further are refused", async () => {
    const service = plainService()
    await service.serve(connection)
    const role = {
      kind: 'user_scope',
      key: createKey('A').publicKey,
      role: 'web',
      template: {pub: {allow: [service.source, '{{name()}}.>']}, sub: {}, subs: -1, data: -1, payload: -1},
    }
    await changeAccount(server, {
      signing_keys: [role],
      default_permissions: {pub: {deny: [service.addresses[1]!]}, sub: {}},
    })
    try {
      const refused = await split(service)
      expect(refused.exitCode).toBe(9)
      const [first] = findingsOf(refused)
      expect(first).toMatchObject({rule: 'caller-permission', level: 'refuse'})
      expect(first!.sentence).toContain(`Users without permissions of their own may publish '${service.source}'`)
      expect(first!.sentence).toContain(`and not '${service.addresses[1]!}'`)
      // A template that may come to allow it is no proof.
      expect(first!.sentence).not.toContain('web')
    } finally {
      await changeAccount(server, {signing_keys: [], default_permissions: {pub: {}, sub: {}}})
    }
  })

  test('the own user is judged too, and need not be one of those that call', async () => {
    const service = plainService()
    await service.serve(connection)
    const creds = await writeUser(server.dir, server.account, {pub: {deny: [service.addresses[1]!]}})
    const env = {...operatorEnv(server), LATTICE_CREDS: creds}
    const planned = await run(RouteAb, ['70/30', ...service.words, '--dry-run', '--json'], env)
    expect(findingsOf(planned)).toMatchObject([
      {
        rule: 'caller-permission',
        level: 'warn',
        sentence: `The user of this context may publish '${service.source}' and not '${service.addresses[1]!}'.`,
      },
    ])
  })
})

describe('the token', () => {
  test('is not made larger than what a message may be', async () => {
    await using small = await startOperatorServer({config: 'max_payload: 2048'})
    await using nc = await openConnection(small.spec())
    const name = `${plainService().source.split('.')[0]!}-${'x'.repeat(150)}`
    const legs = ['v1', 'v2', 'v3', 'v4'].map((version) => `${name}.${version}.${'y'.repeat(80)}`)
    for (const subject of legs) await listen(nc, subject, 'q')
    const words = legs.flatMap((subject, index) => ['--leg', `${index + 1}.0.0=${subject}`])
    const state = `file:${small.dir}/routes.json`
    const refused = await run(
      RouteAb,
      ['25/25/25/25', '--source', `${name}.${'z'.repeat(50)}`, ...words, '--state', state, '--json'],
      operatorEnv(small),
    )
    expect(findingsOf(refused)).toMatchObject([{rule: 'token-size'}])
  })
})

describe('an account that others import from', () => {
  async function exported(): Promise<PlainService> {
    const service = plainService()
    await service.serve(connection)
    await listen(connection, service.source, 'q')
    await changeAccount(server, {
      exports: [{name: 'all', subject: `${service.source.split('.')[0]!}.>`, type: 'service'}],
    })
    return service
  }

  test('is not pushed for a source that they call, unless that is allowed; going back is not held up', async () => {
    const service = await exported()
    expect(findingsOf(await split(service, '--dry-run'))).toEqual([])
    await using far = await importingAccount(server, {subject: service.source, local: `far.${service.source}`})
    const refused = await split(service)
    expect(refused.exitCode).toBe(9)
    const [one, two] = service.addresses as [string, string]
    expect(findingsOf(refused)).toMatchObject([
      {
        rule: 'exporter',
        level: 'refuse',
        sentence: `Account '${far.name}' calls '${service.source}' through an import, and each push of this account drops the calls that it has in flight, 0 at this moment.`,
        fix: `Export '${one}' and '${two}' here, import them into '${far.name}', and route '${service.source}' with a user of '${far.name}'.`,
      },
    ])
    const allowed = await split(service, '--allow', 'exporter')
    expect(allowed.json()).toMatchObject({changed: true, warnings: [expect.stringContaining(`'${far.name}' calls`)]})
    const answer = await far.connection.request(`far.${service.source}`, '', {timeout: 5000})
    expect(['1.0.0', '2.0.0']).toContain(answer.string())
    const cleared = await run(RouteClear, ['--source', service.source, '--json'], operatorEnv(server))
    expect(cleared.json()).toMatchObject({changed: true, legs: [], warnings: [expect.stringContaining("'FAR-")]})
  })

  test('loses as many calls of others as it says, and none of its own', async () => {
    const service = await exported()
    const held: (() => void)[] = []
    const slow = (_error: Error | null, message: {respond: () => boolean}): void =>
      void held.push(() => void message.respond())
    const other = service.source.replace('.get', '.slow')
    connection.subscribe(other, {callback: slow})
    await connection.flush()
    await using far = await importingAccount(server, {subject: other, local: `far.${other}`})
    const ask = (nc: NatsConnection, subject: string): Promise<string>[] =>
      Array.from({length: 5}, () =>
        nc.request(subject, '', {timeout: 1500}).then(
          () => 'answered',
          () => 'lost',
        ),
      )
    const [theirs, ours] = [ask(far.connection, `far.${other}`), ask(connection, other)]
    await until(() => Promise.resolve(held.length === 10), 5000)
    const change = await split(service)
    expect(change.json()).toMatchObject({changed: true, warnings: [expect.stringContaining('lost, 5 at this moment.')]})
    for (const answer of held) answer()
    expect(await Promise.all(ours)).toEqual(Array(5).fill('answered'))
    expect(await Promise.all(theirs)).toEqual(Array(5).fill('lost'))
  })

  test('tells who imports something else, and may not split what they split themselves', async () => {
    const service = await exported()
    const local = `far.${service.source}`
    const other = service.source.replace('.get', '.other')
    await using far = await importingAccount(server, {subject: other, local: `far.${other}`})
    expect(findingsOf(await split(service, '--dry-run'))).toMatchObject([
      {
        rule: 'exporter',
        level: 'warn',
        sentence: `Account '${far.name}' imports services from here: calls that are in flight at the change are lost, 0 at this moment.`,
      },
    ])
    const mappings = {[local]: [{subject: `${local}.again`, weight: 50}]}
    await using twice = await importingAccount(server, {subject: service.source, local, mappings})
    const found = findingsOf(await split(service, '--allow', 'exporter'))
    expect(found.filter(({rule}) => rule === 'mapped-twice')).toMatchObject([
      {
        level: 'refuse',
        sentence: `Account '${twice.name}' imports '${service.source}' from here, as '${local}', and maps it too: its calls would be split twice.`,
      },
    ])
  })
})

test('in the account that imports the versions, the split belongs there, and whoever exports has to answer', async () => {
  await using own = await startOperatorServer()
  const service = plainService()
  const account = await exportingAccount(own, service.addresses)
  await importServices(own, account, service.addresses)
  const file = await writeUser(own.dir, account)
  await using far = await openConnection({...own.spec(), credentials: {kind: 'creds', file}})
  const words = ['50/50', ...service.words, '--json']
  const refused = await run(RouteAb, words, operatorEnv(own))
  expect(findingsOf(refused)).toMatchObject([{rule: 'no-subscriber'}, {rule: 'no-subscriber'}])

  await service.serve(far)
  const change = await run(RouteAb, words, operatorEnv(own))
  expect(change.json()).toMatchObject({changed: true})
  expect(change.json()).not.toHaveProperty('warnings')
  await using nc = await openConnection(own.spec())
  const counts = await measure(nc, service.source, 20)
  expect((counts['1.0.0'] ?? 0) + (counts['2.0.0'] ?? 0)).toBe(20)
})
