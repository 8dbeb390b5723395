import {mkdtemp, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'

import {connect, createInbox, headers, nuid, type NatsConnection} from '@nats-io/transport-node'

import {LatticeCache} from '../src/lib/cache/cache.js'
import {createKey} from '../src/lib/keys/nkey.js'
import {formatRef} from '../src/lib/records/universal.js'
import {exportRecords} from '../src/lib/transfer/export.js'
import {importRecords} from '../src/lib/transfer/import.js'
import {startNatsServer} from '../test/support/nats-server.js'
import {median} from './stats.js'

const entries = Number(process.env['BENCH_ENTRIES'] ?? 100_000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 7)
/** Part of a name: only these are measured. */
const only = process.env['BENCH_ONLY'] ?? ''
const size = 200
const window = 2000

interface Measured {
  readonly name: string
  /** At least so much of the rival's rate. */
  readonly target: number
  readonly ours: (round: number) => Promise<void>
  readonly rival: (round: number) => Promise<void>
  readonly rivalName: string
}

/** Import and export of whole lattices against bare publishing and bare reading of the same entries, in turn. */
async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lattice-bench-'))
  await using server = await startNatsServer({jetstream: true})
  const nc = await connect({servers: server.url})
  try {
    console.log(
      `bulk: ${entries} entries of ${size} bytes, ${rounds} rounds in turn, R1 on disk, Node ${process.versions.node}`,
    )
    const raw = makeEntries((index) => [`bench.${index}`, rawValue(index)])
    const key = createKey('M').publicKey
    const refs = makeEntries((index) => refEntry(index, key))
    const files = {raw: join(folder, 'raw.jsonl'), refs: join(folder, 'refs.jsonl')}
    await prepare(nc, 'raw', {entries: raw, file: files.raw})
    await prepare(nc, 'refs', {entries: refs, file: files.refs})
    await measure(nc, [
      {
        name: 'import --kind key --no-validate',
        target: 0.9,
        ours: (round) => importInto(nc, `k${round}`, {file: files.raw, validate: false}),
        rival: (round) => publishRaw(nc, `LATTICEDATA_rk${round}`, raw),
        rivalName: 'raw pipelined publish',
      },
      {
        name: 'import, references, validated',
        target: 0.65,
        ours: (round) => importInto(nc, `r${round}`, {file: files.refs, validate: true}),
        rival: (round) => publishRaw(nc, `LATTICEDATA_rr${round}`, refs),
        rivalName: 'raw pipelined publish',
      },
      {
        name: 'export --raw',
        target: 0.9,
        ours: () => exportFrom(nc, 'raw', {file: join(folder, 'out.jsonl'), raw: true}),
        rival: () => readRaw(nc, 'LATTICEDATA_raw'),
        rivalName: 'raw ordered consumer',
      },
      {
        name: 'export, references',
        target: 0.7,
        ours: () => exportFrom(nc, 'refs', {file: join(folder, 'out.jsonl'), raw: false}),
        rival: () => readRaw(nc, 'LATTICEDATA_refs'),
        rivalName: 'raw ordered consumer',
      },
    ])
    console.log(`  greatest memory of this process   ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`)
  } finally {
    await nc.close()
    await rm(folder, {recursive: true, force: true})
  }
}

async function measure(nc: NatsConnection, all: readonly Measured[]): Promise<void> {
  for (const {name, target, ours, rival, rivalName} of all) {
    if (!name.includes(only)) continue
    const [a, b, ratios]: [number[], number[], number[]] = [[], [], []]
    const work: [number[], number[]] = [[], []]
    // The first round compiles.
    for (let round = -1; round < rounds; round++) {
      // Who goes first has the cold caches.
      const [first, second] = round % 2 === 0 ? [ours, rival] : [rival, ours]
      const times = [await time(() => first(round)), await time(() => second(round))]
      if (round < 0) continue
      const [mine, theirs] = first === ours ? times : times.toReversed()
      a.push(mine!.ms)
      b.push(theirs!.ms)
      ratios.push(theirs!.ms / mine!.ms)
      work[0].push(mine!.workMs)
      work[1].push(theirs!.workMs)
      await removeStreams(nc)
    }
    const share = median(ratios)
    const verdict = share >= target ? 'reached' : 'NOT reached'
    console.log(`  ${name.padEnd(34)}${rate(median(a))}, ${Math.round(median(work[0]))} ms of a processor`)
    console.log(`  ${rivalName.padEnd(34)}${rate(median(b))}, ${Math.round(median(work[1]))} ms of a processor`)
    console.log(
      `  ${'share of its rate'.padEnd(34)}${percent(share)} (${ratios.map(percent).join(', ')}), target ${percent(target)} ${verdict}`,
    )
  }
}

interface Taken {
  readonly ms: number
  /** Of this process, all threads: what counts when others use the machine too. */
  readonly workMs: number
}

async function time(work: () => Promise<void>): Promise<Taken> {
  const [started, before] = [performance.now(), process.cpuUsage()]
  await work()
  const {user, system} = process.cpuUsage(before)
  return {ms: performance.now() - started, workMs: (user + system) / 1000}
}

interface Entry {
  readonly key: string
  readonly value: Uint8Array
}

function makeEntries(make: (index: number) => readonly [string, string]): Entry[] {
  return Array.from({length: entries}, (_, index) => {
    const [key, text] = make(index)
    return {key, value: new TextEncoder().encode(text)}
  })
}

function rawValue(index: number): string {
  const head = `{"id":${index},"owner":"shop","state":"ready","note":"`
  return `${head}${'abcdefghij'.repeat(20).slice(0, size - head.length - 2)}"}`
}

function refEntry(index: number, key: string): readonly [string, string] {
  const bare = formatRef({oci_url: '-', public_key: key, version: '1.2.0'}).length - 1
  const start = `registry.example.com/team/echo-${index}/`
  const url = start + 'component-of-the-shop'.repeat(10).slice(0, size - bare - start.length)
  const text = formatRef({oci_url: url, public_key: key, version: '1.2.0'})
  return [`REFMAP_${Buffer.from(url).toString('base64url')}`, text]
}

/** A lattice with these entries, and its export. */
async function prepare(
  nc: NatsConnection,
  lattice: string,
  {entries: all, file}: {readonly entries: readonly Entry[]; readonly file: string},
): Promise<void> {
  await publishRaw(nc, `LATTICEDATA_${lattice}`, all)
  await exportFrom(nc, lattice, {file, raw: false})
  console.log(`  ${basename(file).padEnd(34)}${Math.round((await stat(file)).size / entries)} bytes a line`)
}

async function importInto(
  nc: NatsConnection,
  lattice: string,
  {file, validate}: {readonly file: string; readonly validate: boolean},
): Promise<void> {
  const cache = await LatticeCache.open(nc, {lattice, timeoutMs: 10_000})
  await makeBucket(nc, `LATTICEDATA_${lattice}`)
  const {created} = await importRecords(cache, {
    file,
    mode: 'create',
    validate,
    dryRun: false,
    atomic: false,
    prune: false,
    allow: [],
    confirmPrune: () => Promise.resolve(false),
    report: () => undefined,
  })
  if (created !== entries) throw new Error(`Only ${created} were created.`)
}

async function exportFrom(
  nc: NatsConnection,
  lattice: string,
  {file, raw}: {readonly file: string; readonly raw: boolean},
): Promise<void> {
  const cache = await LatticeCache.open(nc, {lattice, timeoutMs: 10_000})
  const {records} = await exportRecords(cache, {
    file,
    format: 'jsonl',
    raw,
    redact: false,
    printable: false,
    now: Date.now(),
    report: () => undefined,
  })
  if (records !== entries) throw new Error(`Only ${records} were exported.`)
}

/** The rival: every entry with the header that lets nothing be overwritten, all answers to one inbox, and counted. */
async function publishRaw(nc: NatsConnection, bucket: string, all: readonly Entry[]): Promise<void> {
  await makeBucket(nc, bucket)
  const inbox = createInbox()
  const head = headers()
  head.set('Nats-Expected-Last-Subject-Sequence', '0')
  const done = Promise.withResolvers<undefined>()
  let [sent, answered] = [0, 0]
  let wake: (() => void) | undefined
  const subscription = nc.subscribe(inbox, {
    callback: (error, msg) => {
      if (error !== null || msg.data[2] !== 0x73) return done.reject(error ?? new Error(msg.string()))
      if (++answered === all.length) done.resolve(undefined)
      if (sent - answered <= window / 2) wake?.()
    },
  })
  for (const {key, value} of all) {
    nc.publish(`$KV.${bucket}.${key}`, value, {headers: head, reply: inbox})
    if (++sent - answered < window) continue
    await new Promise<void>((resolve) => {
      wake = resolve
    })
    wake = undefined
  }
  await done.promise
  subscription.unsubscribe()
}

/** The rival: an ordered consumer that looks at every value and at the order, and keeps nothing. */
async function readRaw(nc: NatsConnection, bucket: string): Promise<void> {
  const inbox = createInbox()
  const done = Promise.withResolvers<undefined>()
  let [count, bytes] = [0, 0]
  const subscription = nc.subscribe(inbox, {
    callback: (error, msg) => {
      if (error !== null) return done.reject(error)
      if (msg.data.length === 0 && msg.headers?.code === 100) {
        if (msg.reply) msg.respond()
        return
      }
      const sequence = Number(msg.reply!.split('.').at(-3))
      if (sequence !== ++count) return done.reject(new Error('A message was lost.'))
      bytes += msg.subject.length + msg.data.length
      if (count === entries) done.resolve(undefined)
    },
  })
  const name = nuid.next()
  const config = {
    name,
    deliver_subject: inbox,
    deliver_policy: 'last_per_subject',
    filter_subject: `$KV.${bucket}.>`,
    ack_policy: 'none',
    max_deliver: 1,
    flow_control: true,
    idle_heartbeat: 5_000_000_000,
    inactive_threshold: 10_000_000_000,
    mem_storage: true,
    num_replicas: 1,
  }
  const subject = `$JS.API.CONSUMER.CREATE.KV_${bucket}.${name}.$KV.${bucket}.>`
  await nc.request(subject, JSON.stringify({stream_name: `KV_${bucket}`, config}), {timeout: 10_000})
  await done.promise
  subscription.unsubscribe()
  if (bytes < entries * size) throw new Error('Bytes were lost.')
}

async function makeBucket(nc: NatsConnection, bucket: string): Promise<void> {
  const config = {
    name: `KV_${bucket}`,
    subjects: [`$KV.${bucket}.>`],
    max_msgs_per_subject: 64,
    discard: 'new',
    allow_direct: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
  }
  await nc.request(`$JS.API.STREAM.CREATE.KV_${bucket}`, JSON.stringify(config), {timeout: 10_000})
}

/** Those of one round: their files would fill the disk's cache. */
async function removeStreams(nc: NatsConnection): Promise<void> {
  const reply = await nc.request('$JS.API.STREAM.NAMES', '{}', {timeout: 10_000})
  for (const name of reply.json<{streams: string[]}>().streams) {
    if (/^KV_LATTICEDATA_(raw|refs)$/.test(name)) continue
    await nc.request(`$JS.API.STREAM.DELETE.${name}`, '', {timeout: 10_000})
  }
}

function rate(ms: number): string {
  return `median ${Math.round(ms)} ms, ${Math.round(entries / ms)} thousand a second`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

await main()
