import {spawn, type ChildProcess} from 'node:child_process'
import {createHash} from 'node:crypto'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {connect} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Bucket} from '../../src/lib/cache/bucket.js'
import {jetStream, type JetStream} from '../../src/lib/cache/jetstream.js'
import {readStream} from '../../src/lib/cache/read-stream.js'
import {cliIn, type Cli} from '../support/cli.js'
import {startNatsServer, type TestServer} from '../support/nats-server.js'
import {tempFolder, type TempFolder} from '../support/temp.js'
import {clusterOf, startTopology} from '../support/topology.js'
import {until} from '../support/until.js'

interface Imported {
  readonly created: number
  readonly unchanged: number
}

/** Writes an export of this many raw keys, as another lattice would have made it. */
async function writeBundle(file: string, count: number, pad = 100): Promise<void> {
  const header = {
    export: {format: 1, lattice: 'other', created: '2026-11-21T00:00:00.000Z', kinds: ['key'], buckets: []},
  }
  const lines = Array.from({length: count}, (_, index) => {
    const value = JSON.stringify({n: index, pad: 'x'.repeat(pad)})
    return `{"kind":"key","key":"k.${index}","revision":${index + 1},"created":"2026-11-21T00:00:00.000Z","value":${value}}`
  })
  const text = `${[JSON.stringify(header), ...lines].join('\n')}\n`
  const sha256 = createHash('sha256').update(text).digest('hex')
  await writeFile(file, `${text}${JSON.stringify({end: {count, sha256}})}\n`)
}

/** The number in every value by key; every key at its first revision, unless a key was written twice. */
async function numbersIn(js: JetStream, bucket: string): Promise<Map<string, number>> {
  const numbers = new Map<string, number>()
  await readStream(js, bucket, {
    take: (message) => {
      expect(numbers.has(message.key)).toBe(false)
      numbers.set(message.key, (JSON.parse(message.text('utf8')) as {n: number}).n)
    },
  })
  return numbers
}

async function expectAll(js: JetStream, bucket: string, count: number): Promise<void> {
  const numbers = await numbersIn(js, bucket)
  expect(numbers.size).toBe(count)
  for (let index = 0; index < count; index++) expect(numbers.get(`k.${index}`)).toBe(index)
}

async function messagesIn({nc}: JetStream, bucket: string): Promise<number> {
  const reply = await nc.request(`$JS.API.STREAM.INFO.KV_${bucket}`, '', {timeout: 2000}).catch(() => undefined)
  return reply?.json<{state?: {messages: number}}>().state?.messages ?? 0
}

describe('on one server', () => {
  let server: TestServer
  let folder: TempFolder
  let cli: Cli
  let js: JetStream
  let count = 0

  beforeAll(async () => {
    server = await startNatsServer({jetstream: true})
    folder = await tempFolder()
    cli = await cliIn(folder.path, {LATTICE_URL: server.url})
    js = jetStream(await connect({servers: server.url}), {})
  })

  afterAll(async () => {
    await js.nc.close()
    await server[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  test('an import that is killed again and again ends as if it had not been', async () => {
    const records = 30_000
    const [file, lattice] = [join(folder.path, 'killed.jsonl'), `l${count++}`]
    const bucket = `LATTICEDATA_${lattice}`
    await writeBundle(file, records)
    let killed = 0
    for (let round = 1; round <= 6; round++) {
      const before = await messagesIn(js, bucket)
      // At a moment of its work that nobody chose.
      const after = before + Math.floor((Math.random() * records) / 6) + 1
      const child = spawnCli(cli, ['cache', 'import', file, '-l', lattice])
      await until(async () => child.exitCode !== null || (await messagesIn(js, bucket)) >= after, 20_000)
      if (child.kill('SIGKILL')) killed++
      await ended(child)
    }
    expect(killed).toBeGreaterThan(0)
    const {created, unchanged} = await cli.ok<Imported>('cache', 'import', file, '-l', lattice)
    expect(created + unchanged).toBe(records)
    await expectAll(js, bucket, records)
    // Nothing was written twice on the way.
    expect(await messagesIn(js, bucket)).toBe(records)
  }, 90_000)

  test('an export goes through pipes into another lattice, and a pipe that is cut off is told', async () => {
    const [file, from, to] = [join(folder.path, 'piped.jsonl'), `l${count++}`, `l${count++}`]
    await writeBundle(file, 2000)
    await cli.ok('cache', 'import', file, '-l', from)
    const piped = await cli.paste(`lattice cache export -l ${from} | lattice cache import - -l ${to} --json`)
    expect(piped.json()).toMatchObject({created: 2000, from})
    await expectAll(js, `LATTICEDATA_${to}`, 2000)

    const cut = await cli.paste(`lattice cache export -l ${from} | head -n 500 | lattice cache import - -l ${to}`)
    expect(cut).toMatchObject({exitCode: 8})
    expect(cut.stderr).toContain('Stdin has no last line')
    const changed = await cli.paste(
      `lattice cache export -l ${from} --format yaml | sed 's/xxxx/yyyy/' | lattice cache import - -l ${to}`,
    )
    expect(changed).toMatchObject({exitCode: 8})
    expect(changed.stderr).toContain('is not what its last line says')
  }, 30_000)

  test('what somebody else writes while an import runs is not written over, and is told', async () => {
    const lattice = `l${count++}`
    const child = spawnCli(
      cli,
      ['cache', 'import', '-', '-l', lattice, '--mode', 'replace', '--allow', 'incomplete', '--json'],
      'pipe',
    )
    const line = (key: string, n: number): string => `${JSON.stringify({kind: 'key', key, value: {n}})}\n`
    const header = {export: {format: 1, lattice, created: '', kinds: ['key'], buckets: []}}
    child.stdin?.write(`${JSON.stringify(header)}\n${line('first', 1)}`)
    const bucket = Bucket.at(js.nc, `LATTICEDATA_${lattice}`, {})
    await until(async () => (await messagesIn(js, bucket.name)) > 0, 10_000)
    await bucket.put('theirs', new TextEncoder().encode('{"n":7}'))
    child.stdin?.end(line('theirs', 2) + line('last', 3))
    const {code, stdout} = await ended(child)
    expect(code).toBe(8)
    const {error} = JSON.parse(stdout) as {error: {message: string; details: {unwritten: object[]; created: number}}}
    expect(error.message).toContain('1 record was written by somebody else meanwhile')
    expect(error.details.created).toBe(2)
    expect(error.details.unwritten).toMatchObject([{line: 3, kind: 'key', key: 'theirs'}])
    expect(await numbersIn(js, bucket.name)).toEqual(
      new Map([
        ['first', 1],
        ['theirs', 7],
        ['last', 3],
      ]),
    )
  }, 30_000)

  test('whoever wants only the beginning of an export gets it without a complaint', async () => {
    const [file, lattice] = [join(folder.path, 'head.jsonl'), `l${count++}`]
    await writeBundle(file, 20_000)
    await cli.ok('cache', 'import', file, '-l', lattice)
    const {stdout, stderr} = await cli.paste(`lattice cache export -l ${lattice} | head -n 3`)
    expect(stdout.trimEnd().split('\n')).toHaveLength(3)
    expect(stderr).not.toContain('Error')
  }, 30_000)

  test('Ctrl-C ends an import with how far it got', async () => {
    const [file, lattice] = [join(folder.path, 'ctrl.jsonl'), `l${count++}`]
    await writeBundle(file, 60_000)
    const child = spawnCli(cli, ['cache', 'import', file, '-l', lattice, '--json'])
    await until(async () => (await messagesIn(js, `LATTICEDATA_${lattice}`)) > 1000, 20_000)
    child.kill('SIGINT')
    const {code, stdout} = await ended(child)
    expect(code).toBe(130)
    const {error} = JSON.parse(stdout) as {error: {details: {created: number; throughLine: number}}}
    expect(error.details.created).toBe(await messagesIn(js, `LATTICEDATA_${lattice}`))
    expect(error.details.throughLine).toBeGreaterThan(1000)
  }, 30_000)

  test('memory does not grow with what is imported and exported', async () => {
    const peaks: number[] = []
    for (const records of [10_000, 100_000]) {
      const [file, lattice] = [join(folder.path, `m${records}.jsonl`), `l${count++}`]
      await writeBundle(file, records, 800)
      peaks.push(
        await peakOf(spawnCli(cli, ['cache', 'import', file, '-l', lattice])),
        await peakOf(spawnCli(cli, ['cache', 'export', '-l', lattice, '-o', join(folder.path, 'out.jsonl')])),
      )
      expect((await readFile(join(folder.path, 'out.jsonl'))).length).toBeGreaterThan(records * 900)
    }
    const [smallImport, smallExport, largeImport, largeExport] = peaks as [number, number, number, number]
    // 90 MB more went through.
    expect(largeImport - smallImport).toBeLessThan(70)
    expect(largeExport - smallExport).toBeLessThan(70)
  }, 60_000)
})

test('an import outlives the death of the leader of three servers, and loses nothing that was acknowledged', async () => {
  await using topology = await startTopology(await clusterOf('east', 3))
  const {cli} = topology
  const records = 40_000
  const file = join(cli.folder, 'bundle.jsonl')
  await writeBundle(file, records)
  const bucket = 'LATTICEDATA_default'
  await cli.ok('cache', 'init', '--replicas', '3', '--context', 'east-0')
  const watcher = jetStream(await topology.connect('east-1'), {})
  const leader = async (): Promise<string> => {
    const reply = await watcher.nc.request(`$JS.API.STREAM.INFO.KV_${bucket}`, '', {timeout: 2000})
    return reply.json<{cluster: {leader: string}}>().cluster.leader
  }
  const victim = await leader()
  // The import is connected to the very server that dies.
  const child = spawnCli(cli, ['cache', 'import', file, '--context', victim, '--timeout', '30s', '--json'])
  const survivor = ['east-0', 'east-1', 'east-2'].find((name) => name !== victim)!
  const js = jetStream(await topology.connect(survivor), {timeoutMs: 20_000})
  await until(async () => (await messagesIn(js, bucket)) > 3000, 20_000)
  await topology.server(victim).kill()
  const {code, stdout, stderr} = await ended(child)
  expect([code, stderr, stdout]).toEqual([0, stderr, stdout])
  expect(JSON.parse(stdout)).toMatchObject({created: records, unchanged: 0})
  await expectAll(js, bucket, records)
  const history = await Bucket.at(js.nc, bucket, {timeoutMs: 20_000}).history('k.3000')
  expect(history).toHaveLength(1)
}, 120_000)

test('an import whose servers stay away says how far it got, and goes on from there', async () => {
  await using folder = await tempFolder()
  await using server = await startNatsServer({jetstream: true})
  const cli = await cliIn(folder.path, {LATTICE_URL: server.url})
  const file = join(folder.path, 'bundle.jsonl')
  const records = 40_000
  await writeBundle(file, records)
  const nc = await connect({servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50})
  try {
    const js = jetStream(nc, {timeoutMs: 10_000})
    const child = spawnCli(cli, ['cache', 'import', file, '--timeout', '2s', '--json'])
    await until(async () => (await messagesIn(js, 'LATTICEDATA_default')) > 3000, 20_000)
    await server.kill()
    const {code, stdout} = await ended(child)
    expect(code).toBe(6)
    const {error} = JSON.parse(stdout) as {
      error: {message: string; details: {created: number; unknown: number; throughLine: number}}
    }
    expect(error.message).toContain('The import stopped when')
    await server.restart()
    const numbers = await numbersIn(js, 'LATTICEDATA_default')
    const {created, unknown, throughLine} = error.details
    expect(numbers.size).toBeGreaterThanOrEqual(created)
    expect(numbers.size).toBeLessThanOrEqual(created + unknown)
    for (let index = 0; index < throughLine - 1; index++) expect(numbers.has(`k.${index}`)).toBe(true)
    const again = await cli.ok<Imported>('cache', 'import', file)
    expect(again.created + again.unchanged).toBe(records)
    await expectAll(js, 'LATTICEDATA_default', records)
  } finally {
    await nc.close()
  }
}, 60_000)

const bin = join(import.meta.dirname, '../../bin/run.js')

function spawnCli(cli: Cli, argv: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
  return spawn(process.execPath, [bin, ...argv], {env: cli.env, stdio: [stdin, 'pipe', 'pipe'], timeout: 60_000})
}

async function ended(child: ChildProcess): Promise<{code: number | null; stdout: string; stderr: string}> {
  const texts = {stdout: '', stderr: ''}
  child.stdout?.on('data', (chunk) => (texts.stdout += String(chunk)))
  child.stderr?.on('data', (chunk) => (texts.stderr += String(chunk)))
  const code = await new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode)
    child.once('close', resolve)
  })
  return {code, ...texts}
}

/** The most memory that a process had, in MiB; from the system, which knows it to the end. */
async function peakOf(child: ChildProcess): Promise<number> {
  let peak = 0
  const watch = setInterval(() => {
    void readFile(`/proc/${child.pid ?? 0}/status`, 'utf8').then(
      (text) => (peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024)),
      () => undefined,
    )
  }, 10)
  const {code} = await ended(child)
  clearInterval(watch)
  expect(code).toBe(0)
  return peak
}
