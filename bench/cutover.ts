import {execFile} from 'node:child_process'
import {loadavg} from 'node:os'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'

import {parseSplit} from '../src/lib/routing/weights.js'
import {startConfig} from './cutover/config.ts'
import {startJwt} from './cutover/jwt.ts'
import {startLoad, type Counted} from './cutover/load.ts'
import {far, near, type World} from './cutover/world.ts'
import {median, milliseconds, percentile} from './stats.ts'

const changes = Number(process.env['BENCH_CHANGES'] ?? 100)
const rate = Number(process.env['BENCH_RATE'] ?? 2000)
const wanted = process.env['BENCH_MODES']?.split(',')
const bin = fileURLToPath(new URL('../bin/run.js', import.meta.url))
const splits = ['70/30', '30/70', '0/100', '100/0']
/** How often the whole program is started; before the rest, because later its tokens would have to wait for the clock. */
const programs = 10

const modes: Readonly<Record<string, () => Promise<World>>> = {
  jwt1: () => startJwt(1, rate),
  jwt3: () => startJwt(3, rate),
  config3: () => startConfig(3, rate),
}

interface Measured {
  readonly counted: readonly Counted[]
  /** From the start of a command to the last server's answer, in milliseconds. */
  readonly live: readonly number[]
  /** To its end: read back from every server, and recorded. */
  readonly whole: readonly number[]
  /** The push or the reloads alone. */
  readonly push: readonly number[]
  readonly bare: readonly number[]
  /** As `live`, from the start of the process. */
  readonly program: readonly number[]
}

/** Route changes under load on accounts that are thrown away, each next to a bare push or reload of the same size. */
async function main(): Promise<void> {
  console.log(`cutover: ${changes} route changes a mode, ${rate} requests a second, Node ${process.versions.node}`)
  for (const [name, start] of Object.entries(modes)) {
    if (wanted !== undefined && !wanted.includes(name)) continue
    await using world = await start()
    report(world, await measure(world))
  }
}

async function measure(world: World): Promise<Measured> {
  await using ends = new AsyncDisposableStack()
  const loads = await Promise.all(world.tasks.map(startLoad))
  for (const load of loads) ends.use(load)
  const [live, whole, push, bare, program]: number[][] = [[], [], [], [], []]
  // The first changes of a run compile and make the buckets.
  let round = 0
  while (round < 4) await change(world, round++)
  for (const load of loads) load.start()
  for (let count = 0; count < programs; count++) program!.push(await changeByProgram(world, round++))
  for (let count = 0; count < changes; count++) {
    const done = await change(world, round++)
    live!.push(done.liveMs)
    whole!.push(done.wholeMs)
    push!.push(done.pushMs)
    bare!.push(await world.bare())
  }
  const counted = await Promise.all(loads.map((load) => load.stop()))
  return {counted, live: live!, whole: whole!, push: push!, bare: bare!, program: program!}
}

/** Both routes in turn, so that each of them is another split every time. */
function splitOf(round: number): {readonly weights: string; readonly route: typeof near} {
  return {weights: splits[Math.floor(round / 2) % splits.length]!, route: round % 2 === 0 ? near : far}
}

/** A command but for the start of its process: its connections, everything it checks, and their end. */
async function change(
  world: World,
  round: number,
): Promise<{readonly liveMs: number; readonly wholeMs: number; readonly pushMs: number}> {
  const {weights, route} = splitOf(round)
  const started = performance.now()
  await using opened = await world.open()
  const {changed, pushMs, liveAt} = await opened.routes.split(parseSplit([weights]), {
    sources: [route.source],
    addresses: route.legs.map(({version, subject}) => `${version}=${subject}`),
  })
  if (!changed || pushMs === undefined || liveAt === undefined) throw new Error('Nothing was changed.')
  const wholeMs = performance.now() - started
  return {liveMs: Date.parse(liveAt) - (performance.timeOrigin + started), wholeMs, pushMs}
}

/** From the start of the process until the route is live. */
async function changeByProgram(world: World, round: number): Promise<number> {
  const {weights, route} = splitOf(round)
  const words = ['route', 'ab', weights, ...route.words, '--json']
  const started = Date.now()
  const {stdout} = await promisify(execFile)(process.execPath, [bin, ...words], {env: world.env})
  const {changed, liveAt} = JSON.parse(stdout) as {readonly changed: boolean; readonly liveAt?: string}
  if (!changed || liveAt === undefined) throw new Error('Nothing was changed.')
  return Date.parse(liveAt) - started
}

function report({name, tasks}: World, {counted, live, whole, push, bare, program}: Measured): void {
  const line = (values: readonly number[]): string =>
    `p50 ${milliseconds(median(values))}, p95 ${milliseconds(percentile(values, 0.95))}`
  const ratio = (values: readonly number[]): string =>
    [0.5, 0.95].map((share) => (percentile(values, share) / percentile(bare, share)).toFixed(1)).join(' and ')
  console.log(`${name} (load of this machine ${loadavg()[0]!.toFixed(1)})`)
  for (const [index, {sent, counts, reasons}] of counted.entries()) {
    const lost = counts['lost'] ?? 0
    // Through an import a server loses some at any push or reload, bare ones too.
    if (lost > 0 && tasks[index]!.name === near.name) process.exitCode = 1
    const why = lost > 0 ? ` ${JSON.stringify(reasons)}` : ''
    console.log(`  lost ${tasks[index]!.name}: ${lost} of ${sent} requests${why}`)
  }
  console.log(`  command start until live        ${line(live)}; ${ratio(live)} × the bare one`)
  console.log(`  command start until recorded    ${line(whole)}; ${ratio(whole)} ×`)
  console.log(`  the push or reloads in it       ${line(push)}; ${ratio(push)} ×`)
  console.log(`  bare push or reloads            ${line(bare)}`)
  console.log(`  process start until live        ${line(program)} (${program.length} runs)`)
}

await main()
