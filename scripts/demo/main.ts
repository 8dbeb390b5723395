import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {parseArgs} from 'node:util'

import {CommandError, lattice, temporaryPlace, userPlace, type Place} from './lattice.ts'
import {Load} from './load.ts'
import {failureOf, judgePhase, type Phase} from './phases.ts'
import {phaseHeader, phaseLine} from './report.ts'

const build = fileURLToPath(new URL('../../examples/echo/build', import.meta.url))
const [oldVersion, newVersion] = ['1.0.0', '2.0.0'] as const
const rate = 400
const answerTimeoutMs = 10_000

interface Options {
  readonly json: boolean
  readonly keep: boolean
  /** Live changes after the named phases. */
  readonly changes: number
  /** Requests measured in each named phase, and in each further change. */
  readonly measured: number
}

interface Change {
  readonly name: string
  readonly words: readonly string[]
  /** Percent of the old version. */
  readonly old: number
}

function parseOptions(): Options {
  const {values} = parseArgs({
    options: {
      json: {type: 'boolean', default: false},
      keep: {type: 'boolean', default: false},
      changes: {type: 'string', default: '20'},
      measured: {type: 'string', default: '2000'},
    },
  })
  return {json: values.json, keep: values.keep, changes: Number(values.changes), measured: Number(values.measured)}
}

const usage = 'npm run demo -- [--json] [--keep] [--changes N] [--measured N]'

/** Undefined when the command line asks for help or cannot be meant; that is said. */
function readOptions(): Options | undefined {
  try {
    const options = parseOptions()
    if (options.changes >= 0 && options.measured > 0) return options
  } catch {
    // The usage says it.
  }
  const help = process.argv.includes('--help')
  process.exitCode = help ? 0 : 2
  ;(help ? process.stdout : process.stderr).write(`Usage: ${usage}\n`)
  return undefined
}

/** The changes of the demo: the named ones, then as many live ones as asked for, over the whole range of weights. */
function planChanges(count: number): Change[] {
  const ab = (old: number): Change => ({
    name: `route ab ${old}/${100 - old}`,
    words: ['route', 'ab', `${old}/${100 - old}`],
    old,
  })
  const named: Change[] = [
    ab(70),
    ab(30),
    {name: `route bluegreen --to ${newVersion}`, words: ['route', 'bluegreen', 'echo', '--to', newVersion], old: 0},
    {name: 'route undo', words: ['route', 'undo', 'echo'], old: 30},
  ]
  const weights = [50, 95, 5, 60, 100, 40, 80, 20, 0, 99]
  const further = Array.from({length: count}, (_, index) => ab(weights[index % weights.length]!))
  return [...named, ...further.map((change, index) => ({...change, name: `${index + 1}. ${change.name}`}))]
}

async function main(): Promise<void> {
  const options = readOptions()
  if (options === undefined) return
  const say = (text: string): void => {
    ;(options.json ? process.stderr : process.stdout).write(`${text}\n`)
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort(signal))
  const place = options.keep ? userPlace() : await temporaryPlace()
  try {
    await run(place, options, {say, signal: stop.signal})
  } catch (error) {
    if (stop.signal.aborted) process.exitCode = 130
    else if (error instanceof CommandError) fail(error.message)
    else throw error
  } finally {
    if (!options.keep || process.exitCode)
      await lattice(place, ['down', '--name', place.name, '--purge']).catch(reportCleanUp)
    await place.remove()
  }
}

interface Surroundings {
  readonly say: (text: string) => void
  readonly signal: AbortSignal
}

async function run(place: Place, options: Options, {say, signal}: Surroundings): Promise<void> {
  const address = await startEcho(place, options, say)
  say(`Sending ${rate} requests a second to http://${address} …\n`)
  const load = new Load({address, rate, most: 64, timeoutMs: answerTimeoutMs})
  const phases: Phase[] = []
  try {
    say(phaseHeader([oldVersion]))
    for (const phase of await runPhases(place, options, {load, say, signal})) phases.push(phase)
  } finally {
    await load.stop()
  }
  signal.throwIfAborted()
  const lost = load.samples.filter(({version}) => version === undefined)
  report(
    {phases, requests: load.samples.length, lost: lost.length, reasons: lost.map(({reason}) => reason ?? '')},
    options,
    say,
  )
  if (options.keep) sayNext(place, address, say)
}

/** Brings up a lattice with one host, one version behind HTTP and another one dark; the address of the HTTP server. */
async function startEcho(place: Place, {keep}: Options, say: (text: string) => void): Promise<string> {
  const context = ['--context', `lattice-${place.name}`]
  const module = (version: string): string => `${build}/echo-${version}.wasm`
  const {issuer} = await lattice(place, ['claims', 'inspect', module(oldVersion)])
  const lifetime = keep ? [] : ['--ephemeral', '--port', '0']
  const trust = ['--allow-files', build, '--allowed-issuer', String(issuer)]
  await lattice(place, ['up', '--name', place.name, '--hosts', '1', ...lifetime, ...trust])
  say('A lattice with one host is up.')
  await lattice(place, ['start', module(oldVersion), ...context])
  await lattice(place, ['start', 'builtin:httpserver', ...context])
  await lattice(place, [
    'link',
    'put',
    'echo',
    'httpserver',
    '--contract',
    'wasmcloud:httpserver',
    '--value',
    'address=127.0.0.1:0',
    ...context,
  ])
  const address = await listeningAddress(place, context)
  await lattice(place, ['start', module(newVersion), '--dark', ...context])
  say(`echo@${oldVersion} serves HTTP; echo@${newVersion} runs dark.`)
  return address
}

/** The port is chosen by the system, and the host tells which one. */
async function listeningAddress(place: Place, context: readonly string[]): Promise<string> {
  const deadline = Date.now() + 10_000
  while (Date.now() < deadline) {
    await sleep(50)
    const {providers} = (await lattice(place, ['host', 'inspect', ...context])) as {
      providers?: {links?: {address?: string}[]}[]
    }
    const address = providers?.flatMap(({links}) => links ?? [])[0]?.address
    if (address !== undefined) return address
  }
  throw new Error('The HTTP server did not start to listen within 10 s.')
}

async function runPhases(
  place: Place,
  {changes, measured}: Options,
  {load, say, signal}: Surroundings & {load: Load},
): Promise<Phase[]> {
  const phases: Phase[] = []
  let startedAt = Date.now()
  let [liveAt, change]: [number, Change] = [startedAt, {name: 'before any route', words: [], old: 100}]
  const steps = planChanges(changes)
  for (const [index, next] of [...steps, undefined].entries()) {
    await measure(load, liveAt, index > 4 ? Math.min(400, measured) : measured, signal)
    const endedAt = Date.now()
    const following =
      next === undefined ? undefined : lattice(place, [...next.words, '--context', `lattice-${place.name}`])
    const asked = {[oldVersion]: change.old, [newVersion]: 100 - change.old}
    const result = await following
    await load.settled(endedAt)
    phases.push(judgePhase(change.name, asked, load.samples, {startedAt, liveAt, endedAt}))
    say(phaseLine(phases.at(-1)))
    if (next === undefined || result === undefined) break
    ;[startedAt, liveAt, change] = [endedAt, Date.parse(String(result['liveAt'])), next]
  }
  return phases
}

/** Waits until enough requests were answered that were sent after the change was live. */
async function measure(load: Load, liveAt: number, wanted: number, signal: AbortSignal): Promise<void> {
  while (load.countSince(liveAt + 1) < wanted) await sleep(10, undefined, {signal})
}

interface Outcome {
  readonly phases: readonly Phase[]
  readonly requests: number
  readonly lost: number
  readonly reasons: readonly string[]
}

function report({phases, requests, lost, reasons}: Outcome, {json}: Options, say: (text: string) => void): void {
  if (json) process.stdout.write(`${JSON.stringify({phases, requests, lost})}\n`)
  for (const reason of [...new Set(reasons)].slice(0, 5)) say(`lost: ${reason}`)
  say(`\n${lost} lost of ${requests}`)
  const failed = phases.filter((phase) => failureOf(phase) !== undefined)
  if (lost > 0 || failed.length > 0) fail(`${failed.length} of ${phases.length} phases failed.`)
}

function sayNext({name}: Place, address: string, say: (text: string) => void): void {
  const lines = [
    `npx --no lattice route show echo --context lattice-${name}`,
    `npx --no lattice route ab 50/50 --context lattice-${name}`,
    `npx --no lattice down --name ${name} --purge`,
  ]
  say(`\nIt stays up, at http://${address}. Try next:\n${lines.map((line) => `  ${line}`).join('\n')}`)
}

function fail(text: string): void {
  process.stderr.write(`${text}\n`)
  process.exitCode = 1
}

function reportCleanUp(error: unknown): void {
  fail(`The demo's lattice could not be stopped: ${error instanceof Error ? error.message : String(error)}`)
}

await main()
