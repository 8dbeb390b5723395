import {spawn} from 'node:child_process'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'

import type {NatsConnection} from '@nats-io/transport-node'

import {parseVersion} from '../src/lib/entity/version.js'
import {editToken, readAccountToken} from '../src/lib/routing/account-jwt.js'
import {legAddress, sourceOf} from '../src/lib/routing/source.js'
import {parseSplit} from '../src/lib/routing/weights.js'
import {startOperatorServer, type OperatorServer} from '../test/support/nats-server.js'
import {openRoutes, testActor} from '../test/support/routes.js'
import {median, milliseconds, percentile} from './stats.ts'

const changes = Number(process.env['BENCH_CHANGES'] ?? 1000)
const rate = Number(process.env['BENCH_RATE'] ?? 2000)
const lattice = 'bench'
const versions = ['1.0.0', '2.0.0'].map(parseVersion)
const splits = ['70/30', '30/70', '0/100', '100/0'].map((text) => parseSplit([text]))

interface Counted {
  readonly sent: number
  readonly counts: Readonly<Record<string, number>>
  readonly reasons: Readonly<Record<string, number>>
}

/** Route changes under load on an account that is thrown away, each next to a bare push of a token of the same size. */
async function main(): Promise<void> {
  await using server = await startOperatorServer()
  const {entity, ref} = testActor()
  const source = sourceOf(lattice, entity)
  const load = await startLoad(
    server,
    source,
    versions.map((version) => `${legAddress(lattice, entity, version)}=${version}`),
  )
  const [whole, ours, bare]: [number[], number[], number[]] = [[], [], []]
  await using rival = await openRoutes(server.spec(lattice))
  // The first splits of a run compile and make the buckets.
  for (let round = -3; round < changes; round++) {
    const started = performance.now()
    const pushMs = await change(server, {ref, split: splits.at(round % splits.length)})
    const wholeMs = performance.now() - started
    const bareMs = await barePush(rival.system.connection, server)
    if (round === -1) load.start()
    if (round < 0) continue
    whole.push(wholeMs)
    ours.push(pushMs)
    bare.push(bareMs)
  }
  const counted = await load.stop()
  report({whole, ours, bare, counted})
}

/** A whole command but for the start of its process: two connections, everything it checks, and their end. */
async function change(
  server: OperatorServer,
  {ref, split}: {readonly ref: {readonly name: string}; readonly split: ReturnType<typeof parseSplit>},
): Promise<number> {
  await using opened = await openRoutes(server.spec(lattice), {secondsAhead: Infinity})
  const {changed, pushMs} = await opened.routes.split(split, {entity: ref, versions})
  if (!changed || pushMs === undefined) throw new Error('Nothing was changed.')
  return pushMs
}

/** The rival: sign a token with one other source changed, send it, wait for the answer, and believe it. */
async function barePush(nc: NatsConnection, server: OperatorServer): Promise<number> {
  const stored = await nc.request(`$SYS.REQ.ACCOUNT.${server.account.publicKey}.CLAIMS.LOOKUP`, '')
  const token = readAccountToken(stored.string())
  const destinations = [{subject: `bench.bare.v${token.issuedAt % 2}`, weight: 100}]
  const edit = {change: [{source: 'bench.bare', destinations}], issuedAt: token.issuedAt + 1}
  const text = editToken(token, edit, server.operatorSigning)
  const started = performance.now()
  await nc.request('$SYS.REQ.CLAIMS.UPDATE', text, {timeout: 5000})
  return performance.now() - started
}

async function startLoad(
  {url, credsFile}: OperatorServer,
  source: string,
  legs: readonly string[],
): Promise<{start: () => void; stop: () => Promise<Counted>}> {
  const script = fileURLToPath(new URL('load/requests.ts', import.meta.url))
  const child = spawn(process.execPath, [script, url, credsFile, source, String(rate), ...legs], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  process.once('exit', () => child.kill())
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]()
  await lines.next()
  return {
    start: () => child.stdin.write('go\n'),
    stop: async () => {
      child.stdin.end()
      const {value} = await lines.next()
      return JSON.parse(String(value)) as Counted
    },
  }
}

interface Measured {
  readonly whole: readonly number[]
  readonly ours: readonly number[]
  readonly bare: readonly number[]
  readonly counted: Counted
}

function report({whole, ours, bare, counted}: Measured): void {
  const line = (values: readonly number[]): string =>
    `p50 ${milliseconds(median(values))}, p95 ${milliseconds(percentile(values, 0.95))}`
  const ratio = (share: number): string => `${(percentile(ours, share) / percentile(bare, share)).toFixed(2)} ×`
  const lost = counted.counts['lost'] ?? 0
  console.log(`cutover: ${changes} route changes, ${rate} requests a second, Node ${process.versions.node}`)
  console.log(
    `  lost                     ${lost} of ${counted.sent} requests${lost > 0 ? ` ${JSON.stringify(counted.reasons)}` : ''}`,
  )
  console.log(`  push until live          ${line(ours)}`)
  console.log(`  bare push                ${line(bare)}`)
  console.log(`  ratio                    p50 ${ratio(0.5)}, p95 ${ratio(0.95)}`)
  console.log(`  whole command, in process ${line(whole)}`)
  if (lost > 0) process.exitCode = 1
}

await main()
