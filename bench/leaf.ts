import {readFileSync} from 'node:fs'
import {loadavg} from 'node:os'

import {connect, credsAuthenticator, type NatsConnection} from '@nats-io/transport-node'

import {ControlClient} from '../src/lib/control/client.js'
import {openConnection} from '../src/lib/nats/connect.js'
import {Routes} from '../src/lib/routes/routes.js'
import {parseSplit} from '../src/lib/routing/weights.js'
import {startLeafWorld, type LeafWorld} from '../test/support/leaf-world.js'
import {startLoad} from './cutover/load.ts'
import {near, type LoadUser} from './cutover/world.ts'
import {median, milliseconds, percentile} from './stats.ts'

const changes = Number(process.env['BENCH_CHANGES'] ?? 1000)
const rate = Number(process.env['BENCH_RATE'] ?? 1000)
const calls = Number(process.env['BENCH_CALLS'] ?? 3000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const splits = ['70/30', '30/70', '0/100', '100/0']

/**
 * What a leaf node costs its callers, against calls of a version's own subject at the hub in the same run; and what its
 * changes cost under load, for callers beside it and for callers of the whole account.
 */
async function main(): Promise<void> {
  console.log(`leaf: ${changes} route changes a form, ${rate} requests a second, Node ${process.versions.node}`)
  for (const form of ['beside', 'account-wide'] as const) {
    await using world = await startLeafWorld()
    const words = form === 'beside' ? ['--source', near.source] : ['--account-wide', '--source', near.source]
    const leaf = await world.leaf(...words)
    const caller = form === 'beside' ? leaf : world.hub.url
    console.log(`${form} (load of this machine ${loadavg()[0]!.toFixed(1)})`)
    await measureLatency(world, {leaf, caller})
    await measureChanges(world, caller)
  }
}

interface Places {
  readonly leaf: string
  readonly caller: string
}

function at(world: LeafWorld, url: string): Promise<NatsConnection> {
  return connect(
    url === world.hub.url
      ? {servers: url, authenticator: credsAuthenticator(readFileSync(world.hub.credsFile))}
      : {servers: url},
  )
}

async function measureLatency(world: LeafWorld, {caller}: Places): Promise<void> {
  const [worker, direct, routed] = await Promise.all([
    at(world, world.hub.url),
    at(world, world.hub.url),
    at(world, caller),
  ])
  for (const {subject, version} of near.legs) {
    worker.subscribe(subject, {queue: 'bench', callback: (_error, message) => void message.respond(version)})
  }
  await worker.flush()
  await change(world, '100/0')
  const own: number[] = []
  const through: number[] = []
  // In turn, so that what else the machine does falls on both.
  for (let round = 0; round < rounds; round++) {
    own.push(...(await time(direct, near.legs[0]!.subject)))
    through.push(...(await time(routed, near.source)))
  }
  const line = (values: readonly number[]): string =>
    `p50 ${milliseconds(median(values))}, p95 ${milliseconds(percentile(values, 0.95))}`
  const ratio = [0.5, 0.95].map((share) => (percentile(through, share) / percentile(own, share)).toFixed(2))
  console.log(`  one call after the other, through the leaf   ${line(through)}; ${ratio.join(' and ')} × direct`)
  console.log(`  one call after the other, direct             ${line(own)}`)
  await Promise.all([worker, direct, routed].map((nc) => nc.close()))
}

async function time(nc: NatsConnection, subject: string): Promise<number[]> {
  const times: number[] = []
  for (let call = 0; call < calls / rounds; call++) {
    const started = performance.now()
    await nc.request(subject, 'x', {timeout: 5000})
    times.push(performance.now() - started)
  }
  return times.slice(Math.floor(times.length / 10))
}

async function measureChanges(world: LeafWorld, caller: string): Promise<void> {
  const {url, credsFile: creds} = world.hub
  const user: LoadUser = caller === url ? {url, creds} : {url: caller, anonymous: true}
  await using load = await startLoad({...near, rate, callers: [user, user], workers: [{url, creds}]})
  load.start()
  const live: number[] = []
  for (let round = 0; round < changes; round++) live.push(await change(world, splits[round % splits.length]!))
  const {sent, counts, reasons} = await load.stop()
  const lost = counts['lost'] ?? 0
  if (lost > 0) process.exitCode = 1
  console.log(`  lost during the changes: ${lost} of ${sent} requests${lost > 0 ? ` ${JSON.stringify(reasons)}` : ''}`)
  console.log(
    `  the change at the leaf until its server had it  p50 ${milliseconds(median(live))}, p95 ${milliseconds(percentile(live, 0.95))}`,
  )
}

/** A command but for the start of its process; what the leaf node took of it, in milliseconds. */
async function change({hub}: LeafWorld, weights: string): Promise<number> {
  const {servers, credentials, lattice, timeoutMs, connectTimeoutMs} = hub.spec()
  const spec = {servers, credentials: credentials!, lattice, timeoutMs, connectTimeoutMs, protected: false}
  const connection = await openConnection(spec)
  try {
    const control = new ControlClient(connection, {lattice, timeoutMs})
    const system = (): Promise<never> => Promise.reject(new Error('Nobody holds its keys.'))
    const routes = await Routes.open({connection, spec, control, system, access: {driver: 'leaf'}})
    const {changed, pushMs} = await routes.split(parseSplit([weights]), {
      sources: [near.source],
      addresses: near.legs.map(({version, subject}) => `${version}=${subject}`),
    })
    if (!changed || pushMs === undefined) throw new Error('Nothing was changed.')
    return pushMs
  } finally {
    await connection.close()
  }
}

await main()
