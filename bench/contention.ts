import {connect} from '@nats-io/transport-node'

import {ensureBucket} from '../src/lib/cache/bucket.js'
import {contend, contendedKey, type Contended, type ContenderWay} from '../test/support/contenders.js'
import {startNatsServer} from '../test/support/nats-server.js'

const edits = Number(process.env['BENCH_EDITS'] ?? 10_000)
const processes = Number(process.env['BENCH_PROCESSES'] ?? 8)

/** Edits of one record from several processes at once, next to the same with bare requests; none may be lost. */
async function main(): Promise<void> {
  await using server = await startNatsServer({jetstream: true})
  console.log(`contention: ${edits} edits of one record, ${processes} processes, Node ${process.versions.node}`)
  const rates: Partial<Record<ContenderWay, number>> = {}
  for (const way of ['bare', 'ours'] as const) rates[way] = await measure(server.url, way)
  console.log(`  ratio    ${((100 * rates.ours!) / rates.bare!).toFixed(0)} % of the edits a second of bare requests`)
}

/** Edits a second. */
async function measure(url: string, way: ContenderWay): Promise<number> {
  const nc = await connect({servers: url})
  try {
    const data = await ensureBucket(nc, `LATTICEDATA_${way}`, {})
    const first = await data.put(contendedKey, new TextEncoder().encode('{"total":0,"by":{}}'))
    const started = performance.now()
    const reports = await contend({url, lattice: way, processes, edits: Math.ceil(edits / processes), way})
    const tookMs = Math.max(...reports.map((report) => report.tookMs))
    const last = await data.get(contendedKey)
    const {total, by} = JSON.parse(new TextDecoder().decode(last!.value)) as Contended
    const [won, told] = (['won', 'told'] as const).map((name) => reports.reduce((sum, each) => sum + each[name], 0))
    const writes = last!.revision - first
    const lost = won! - total + reports.filter(({name, won: of}) => by[name] !== of).length + Math.abs(writes - won!)
    const rate = (1000 * won!) / tookMs
    console.log(
      `  ${way.padEnd(8)} ${won!} won, ${told!} told that another was faster, lost ${lost}; ` +
        `${(tookMs / 1000).toFixed(1)} s, ${rate.toFixed(0)} edits a second, whole ${((performance.now() - started) / 1000).toFixed(1)} s`,
    )
    if (lost !== 0) process.exitCode = 1
    return rate
  } finally {
    await nc.close()
  }
}

await main()
