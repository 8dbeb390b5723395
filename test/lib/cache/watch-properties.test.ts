import {connect, headers, type NatsConnection} from '@nats-io/transport-node'
import fc from 'fast-check'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {Bucket} from '../../../src/lib/cache/bucket.js'
import type {BucketEntry} from '../../../src/lib/cache/bucket-entry.js'
import {openWire, type BreakableWire} from '../../support/breakable-wire.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {until} from '../../support/until.js'
import {startWatching} from '../../support/watching.js'

const spec = {timeoutMs: 2000}

let server: TestServer
let wire: BreakableWire
/** Of those who write; the watch has its own, over the wire. */
let writer: NatsConnection
let reader: NatsConnection
let count = 0

beforeAll(async () => {
  server = await startNatsServer({jetstream: true})
  wire = await openWire(server.port)
  // The client does not notice that a connection broke before the server's first word.
  const options = {maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0, timeout: 1000}
  writer = await connect({servers: server.url, ...options})
  reader = await connect({servers: wire.url, ...options})
})

afterAll(async () => {
  wire.release()
  await reader.close()
  await writer.close()
  await wire[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

type Storage = 'file' | 'memory'

const key = fc.constantFrom('a', 'b', 'c', 'x.1', 'x.2')
const act = <K extends string>(kind: K): fc.Arbitrary<{kind: K}> => fc.constant({kind})
const on = <K extends string>(kind: K): fc.Arbitrary<{kind: K; key: string}> =>
  fc.record({kind: fc.constant(kind), key})
const action = fc.oneof(
  {arbitrary: on('put'), weight: 12},
  {arbitrary: on('put and put again'), weight: 2},
  {arbitrary: on('put for a second'), weight: 3},
  {arbitrary: on('delete'), weight: 5},
  {arbitrary: on('purge with a marker'), weight: 1},
  {arbitrary: on('purge without a word'), weight: 2},
  {arbitrary: on('take the last revision away'), weight: 2},
  {arbitrary: act('purge all'), weight: 1},
  {arbitrary: act('delete the bucket'), weight: 1},
  {arbitrary: act('make the bucket anew'), weight: 2},
  {arbitrary: act('delete the consumers'), weight: 2},
  {arbitrary: act('cut the wire'), weight: 2},
  {arbitrary: act('hold the wire'), weight: 2},
  {arbitrary: act('release the wire'), weight: 2},
  {arbitrary: act('kill the server'), weight: 1},
  {arbitrary: act('wait until it is current'), weight: 3},
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

/** Asks the API until somebody answers; its errors are answers. */
async function ask(
  subject: string,
  body: object | string = '',
  options: object = {},
): Promise<Record<string, unknown>> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  for (;;) {
    const reply = await writer.request(subject, text, {timeout: 1000, ...options}).catch(() => undefined)
    if (reply !== undefined) return reply.data.length === 0 ? {} : reply.json<Record<string, unknown>>()
  }
}

async function makeBucket(name: string, storage: Storage): Promise<void> {
  const made = await ask(`$JS.API.STREAM.CREATE.KV_${name}`, {
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    storage,
    max_msgs_per_subject: 3,
    allow_rollup_hdrs: true,
    allow_msg_ttl: true,
    allow_direct: true,
    num_replicas: 1,
  })
  expect(made['error']).toBeUndefined()
}

interface Run {
  readonly bucket: string
  readonly storage: Storage
  readonly isCurrent: () => boolean
  value: number
}

async function put(subject: string, value: string, fields: Readonly<Record<string, string>> = {}): Promise<void> {
  const head = headers()
  for (const [name, field] of Object.entries(fields)) head.set(name, field)
  const reply = await writer.request(subject, value, {timeout: 1000, headers: head}).catch(() => undefined)
  // Where there is no bucket nobody answers, which is as good.
  if (reply !== undefined) expect(reply.json<{error?: unknown}>().error).toBeUndefined()
}

async function perform(action: Action, run: Run): Promise<void> {
  const {bucket} = run
  const value = String(run.value++)
  const subject = 'key' in action ? `$KV.${bucket}.${action.key}` : ''
  switch (action.kind) {
    case 'put':
      return put(subject, value)
    case 'put and put again':
      for (let index = 0; index < 5; index++) await put(subject, `${value}.${index}`)
      return
    case 'put for a second':
      return put(subject, value, {'Nats-TTL': '1s'})
    case 'delete':
      return put(subject, '', {'KV-Operation': 'DEL'})
    case 'purge with a marker':
      return put(subject, '', {'KV-Operation': 'PURGE', 'Nats-Rollup': 'sub'})
    case 'purge without a word':
      await ask(`$JS.API.STREAM.PURGE.KV_${bucket}`, {filter: subject})
      return
    case 'take the last revision away': {
      const {message} = (await ask(`$JS.API.STREAM.MSG.GET.KV_${bucket}`, {last_by_subj: subject})) as {
        message?: {seq: number}
      }
      if (message !== undefined) await ask(`$JS.API.STREAM.MSG.DELETE.KV_${bucket}`, {seq: message.seq})
      return
    }
    case 'purge all':
      await ask(`$JS.API.STREAM.PURGE.KV_${bucket}`)
      return
    case 'delete the bucket':
      await ask(`$JS.API.STREAM.DELETE.KV_${bucket}`)
      return
    case 'make the bucket anew':
      await ask(`$JS.API.STREAM.DELETE.KV_${bucket}`)
      return makeBucket(bucket, run.storage)
    case 'delete the consumers': {
      const {consumers = []} = (await ask(`$JS.API.CONSUMER.NAMES.KV_${bucket}`)) as {consumers?: string[]}
      for (const name of consumers) await ask(`$JS.API.CONSUMER.DELETE.KV_${bucket}.${name}`)
      return
    }
    case 'cut the wire': {
      wire.cutAll()
      return
    }
    case 'hold the wire': {
      wire.hold()
      return
    }
    case 'release the wire': {
      wire.release()
      return
    }
    case 'kill the server':
      await server.kill()
      return server.restart()
    case 'wait until it is current':
      wire.release()
      return until(run.isCurrent, 15_000)
  }
}

/** What must never happen: the same word on a key twice in a row. */
function repeated(entries: readonly BucketEntry[]): BucketEntry[] {
  const last = new Map<string, string>()
  return entries.filter(({key: of, operation, revision, created}) => {
    const word = operation === 'DEL' ? 'DEL' : `${revision} ${created}`
    const same = last.get(of) === word
    last.set(of, word)
    return same
  })
}

test('whatever happens to the bucket, the server and the wire, a watch ends with what stands in the bucket', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Storage>('file', 'file', 'memory'),
      fc.array(action, {minLength: 4, maxLength: 24, size: 'max'}),
      async (storage, actions) => {
        const name = `P${count++}`
        await makeBucket(name, storage)
        await using watching = startWatching(Bucket.at(reader, name, spec))
        const isCurrent = (): boolean => watching.reports.at(-1) === 'current'
        const run: Run = {bucket: name, storage, isCurrent, value: 0}
        for (const each of actions) await perform(each, run)
        wire.release()
        // Whatever expires has expired when this has.
        await put(`$KV.${name}.end`, '', {'Nats-TTL': '1s'})
        const bucket = Bucket.at(writer, name, spec)
        const present = async (): Promise<[string, string][]> => {
          const entries = await bucket.list().catch((error: unknown) => {
            if ((error as Error).name === 'MissingBucketError') return []
            throw error
          })
          return entries.map((entry) => [entry.key, new TextDecoder().decode(entry.value)])
        }
        await until(async () => !(await present()).some(([of]) => of === 'end'), 10_000)
        const wanted = JSON.stringify(await present())
        await until(() => isCurrent() && JSON.stringify([...watching.state].sort()) === wanted, 15_000).catch(() => {
          expect(JSON.stringify([...watching.state].sort())).toBe(wanted)
        })
        expect(isCurrent()).toBe(true)
        expect(repeated(watching.entries)).toEqual([])
      },
    ),
    {numRuns: Number(process.env['WATCH_RUNS'] ?? 10), endOnFailure: true},
  )
}, 600_000)
