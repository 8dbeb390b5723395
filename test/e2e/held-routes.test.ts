import {RequestError, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {openConnection} from '../../src/lib/nats/connect.js'
import {cliIn, type Cli} from '../support/cli.js'
import {runLines} from '../support/line-process.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {tempFolder, type TempFolder} from '../support/temp.js'
import {until} from '../support/until.js'

let server: OperatorServer
let folder: TempFolder
let cli: Cli
let connection: NatsConnection
beforeAll(async () => {
  ;[server, folder] = await Promise.all([startOperatorServer(), tempFolder()])
  cli = await cliIn(folder.path, {
    LATTICE_URL: server.url,
    LATTICE_CREDS: server.credsFile,
    LATTICE_SYS_CREDS: server.sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
  })
  connection = await openConnection(server.spec())
})
afterAll(async () => {
  await connection.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

interface Shown {
  readonly legs: readonly object[]
  readonly expiresAt?: string
  readonly strategy?: string
  readonly event?: string
}

let count = 0
/** A service that listens on its source, with a second version beside it; the flags that name it. */
async function startOrders(): Promise<{subject: string; flags: string[]}> {
  const subject = `orders${++count}.get`
  connection.subscribe(subject, {queue: 'q', callback: (_, message) => void message.respond('1')})
  connection.subscribe(`${subject}.v2`, {queue: 'q', callback: (_, message) => void message.respond('2')})
  await connection.flush()
  return {subject, flags: ['--source', subject, '--leg', '1.0.0=@source', '--leg', `2.0.0=${subject}.v2`]}
}

/** What answers so many requests: versions, or the name of the error. */
async function answers(subject: string, requests = 40): Promise<string[]> {
  const all = await Promise.all(
    Array.from({length: requests}, () =>
      connection.request(subject, '', {timeout: 5000}).then(
        (message) => message.string(),
        (error: unknown) => (error instanceof RequestError && error.isNoResponders() ? 'nobody' : String(error)),
      ),
    ),
  )
  return [...new Set(all)].sort()
}

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s puts back what was before within five seconds',
  async (signal) => {
    const {subject, flags} = await startOrders()
    await using held = runLines(['route', 'bluegreen', '--to', '2.0.0', ...flags, '--for', '1h', '--json'], cli.env)
    await held.see('"strategy":"bluegreen"')
    expect(await answers(subject)).toEqual(['2'])

    const started = performance.now()
    expect(await held.end(signal)).toBe(130)

    expect(performance.now() - started).toBeLessThan(5000)
    expect(await answers(subject)).toEqual(['1'])
    const documents = held.lines.map((line) => JSON.parse(line) as Shown)
    expect(documents).toMatchObject([
      {strategy: 'bluegreen', expiresAt: expect.any(String) as string},
      {strategy: 'restore', legs: []},
    ])
    expect(held.stderr.join('\n')).toContain('goes back at')
  },
)

test('a drop fails at once for its share, and is over by itself with exit 0', async () => {
  const {subject, flags} = await startOrders()
  await using held = runLines(['route', 'drop', '50', ...flags, '--for', '2s'], cli.env)
  await held.see('Until ')
  const started = performance.now()
  // Nobody waits for the timeout.
  expect(await answers(subject)).toEqual(['1', 'nobody'])
  expect(performance.now() - started).toBeLessThan(2000)

  expect(await held.ended).toBe(0)
  expect(await answers(subject)).toEqual(['1'])
})

test('what a killed command left is put back by reconcile', async () => {
  const {subject, flags} = await startOrders()
  await using held = runLines(
    ['route', 'canary', '--to', '2.0.0', '--weight', '100', ...flags, '--for', '1s', '--json'],
    cli.env,
  )
  await held.see('"strategy":"canary"')
  await held.end('SIGKILL')
  expect(await answers(subject)).toEqual(['2'])
  expect((await cli.run('route', 'ls')).stdout).toMatch(/\t\d{4}-\d\d-\d\dT[\d:.]+Z\n/)

  const {expiresAt} = JSON.parse(held.lines[0]!) as Required<Shown>
  await until(() => Date.now() > Date.parse(expiresAt), 10_000)

  expect(await cli.ok('route', 'reconcile')).toMatchObject({
    routes: [{entity: subject, action: 'restored', legs: [], expiresAt}],
  })
  expect(await answers(subject)).toEqual(['1'])
  expect((await cli.run('route', 'reconcile')).stdout).toBe('')
})

test('a gate that says no ends a canary with exit 7, a document a line, its output on stderr', async () => {
  const {subject, flags} = await startOrders()
  const gate = 'echo "gate of $LATTICE_ROUTE_ENTITY"; [ "$LATTICE_ROUTE_STEP" -lt 2 ]'
  const steps = ['--step', '5,25,50,100', '--every', '50ms', '--gate', gate]

  const ended = await cli.run('route', 'canary', '--to', '2.0.0', ...flags, ...steps, '--json')

  expect(ended.exitCode).toBe(7)
  const documents = ended.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Shown & {error?: object})
  expect(documents).toMatchObject([
    {event: 'live', step: 1, steps: 4, weight: 5},
    {event: 'live', step: 2, steps: 4, weight: 25},
    {event: 'restored', step: 2, legs: []},
    {error: {kind: 'gateFailed', details: {step: 2, weight: 25, reason: 'it ended with exit 1'}}},
  ])
  expect(ended.stderr).toContain(`gate of ${subject}`)
  expect(ended.stderr).toContain(`'${subject}' step 2 of 4: 25 %`)
  expect(await answers(subject)).toEqual(['1'])
})

test('a canary goes through its steps and stays', async () => {
  const {subject, flags} = await startOrders()
  const steps = ['--step', '50,100', '--every', '50ms', '--gate', 'none']

  const ended = await cli.run('route', 'canary', '--to', '2.0.0', ...flags, ...steps)

  expect(ended).toMatchObject({exitCode: 0})
  expect(ended.stdout).toContain('2.0.0\t-\t100 %\n')
  expect(await answers(subject)).toEqual(['2'])
  // What was there before the canary, and not its last step but one.
  expect(await cli.ok('route', 'undo', ...flags)).toMatchObject({legs: []})
})

test.each([
  [['route', 'canary', '--to', '2.0.0', '--step', '5,100', '--every', '1s'], 'Steps need a --gate'],
  [['route', 'canary', '--to', '2.0.0', '--step', '5,100', '--every', '1s', '--gate', ' '], 'Steps need a --gate'],
  [['route', 'canary', '--to', '2.0.0', '--step', '50,25', '--every', '1s', '--gate', 'none'], 'are no steps'],
  [['route', 'canary', '--to', '2.0.0'], 'A canary needs a share.'],
  [['route', 'canary', '--to', '2.0.0', '--step', '5', '--weight', '5'], 'cannot also be provided'],
  [['route', 'drop', '10'], 'Missing required flag for'],
  [['route', 'fail', '--for', '1m'], 'Missing required flag version'],
])('%s is a usage error', async (argv, sentence) => {
  expect((await cli.fails(2, ...argv)).message).toContain(sentence)
})
