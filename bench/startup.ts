import {spawnSync} from 'node:child_process'
import {fileURLToPath} from 'node:url'

import {connect} from '@nats-io/transport-node'

import {startNatsServer} from '../test/support/nats-server.js'
import {median, milliseconds, percentile} from './stats.js'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 21)
const lattice = fileURLToPath(new URL('../bin/run.js', import.meta.url))
const rival = fileURLToPath(new URL('rivals/connect-and-request.js', import.meta.url))
const key = 'REFMAP_eA'

/** Whole process: `lattice cache get` against bare Node that connects and asks once, in turn. */
async function main(): Promise<void> {
  await using server = await startNatsServer({jetstream: true})
  await prepare(server.url)
  const env = {...process.env, XDG_CONFIG_HOME: server.dir, NATS_URL: server.url}
  const ours = [lattice, 'cache', 'get', 'key', key, '--json']
  const theirs = [rival, server.url, key]
  // The first runs fill V8's compile cache and the file system's.
  for (let round = 0; round < 3; round++) [ours, theirs].forEach((words) => time(words, env))
  const [a, b, ratios]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < rounds; round++) {
    a.push(time(ours, env))
    b.push(time(theirs, env))
    ratios.push(a.at(-1) / b.at(-1))
  }
  console.log(`startup: whole process, ${rounds} rounds in turn, Node ${process.versions.node}`)
  console.log(
    `  lattice cache get              median ${milliseconds(median(a))}, p95 ${milliseconds(percentile(a, 0.95))}`,
  )
  console.log(
    `  bare Node, connect, 1 request  median ${milliseconds(median(b))}, p95 ${milliseconds(percentile(b, 0.95))}`,
  )
  console.log(`  ratio                          median ${median(ratios).toFixed(2)} ×`)
}

async function prepare(url: string): Promise<void> {
  const nc = await connect({servers: url})
  const stream = {name: 'KV_LATTICEDATA_default', subjects: ['$KV.LATTICEDATA_default.>'], allow_direct: true}
  await nc.request('$JS.API.STREAM.CREATE.KV_LATTICEDATA_default', JSON.stringify(stream))
  await nc.request(`$KV.LATTICEDATA_default.${key}`, JSON.stringify({oci_url: 'x', public_key: 'M'}))
  await nc.close()
}

function time(words: readonly string[], env: NodeJS.ProcessEnv): number {
  const started = performance.now()
  const {status, stderr} = spawnSync(process.execPath, words, {env, encoding: 'utf8'})
  if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status ?? 'a signal'}: ${stderr}`)
  return performance.now() - started
}

await main()
