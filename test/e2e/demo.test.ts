import type {ChildProcess} from 'node:child_process'
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {afterEach, beforeEach, expect, test} from 'vitest'
import {z} from 'zod'

import {cliIn, runToEnd, type Cli, type Ended} from '../support/cli.js'
import {tempFolder, type TempFolder} from '../support/temp.js'
import {until} from '../support/until.js'

const demo = fileURLToPath(new URL('../../scripts/demo/main.ts', import.meta.url))

const percent = z.number().min(0).max(100)
const phase = z.strictObject({
  name: z.string(),
  asked: z.strictObject({'1.0.0': percent, '2.0.0': percent}),
  observed: z.strictObject({'1.0.0': z.int().min(0), '2.0.0': z.int().min(0)}),
  requests: z.int().positive(),
  lost: z.literal(0),
  liveMs: z.int().min(0),
})
const report = z.strictObject({phases: z.array(phase), requests: z.int().positive(), lost: z.literal(0)})

let folder: TempFolder
let cli: Cli

beforeEach(async () => {
  folder = await tempFolder()
  cli = await cliIn(folder.path, {TMPDIR: folder.path})
})

afterEach(async () => {
  for (const pid of await processesOf(folder.path)) process.kill(pid, 'SIGKILL')
  await folder[Symbol.asyncDispose]()
})

function runDemo(argv: readonly string[], onStart?: (child: ChildProcess) => void): Promise<Ended> {
  const options = {withinMs: 110_000, ...(onStart === undefined ? {} : {onStart})}
  return runToEnd(process.execPath, [demo, ...argv], cli.env, options)
}

/** Processes whose command line or environment names the folder. */
async function processesOf(path: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const texts = await Promise.all(
        ['cmdline', 'environ'].map((file) => readFile(join('/proc', String(pid), file), 'utf8').catch(() => '')),
      )
      return texts.some((text) => text.includes(path))
    }),
  )
  return pids.filter((pid, index) => found[index] === true && pid !== process.pid)
}

/** What is left of a demo: folders and files besides those of this test, and processes. */
async function remains(): Promise<{files: string[]; processes: number[]}> {
  const ours = new Set(['bin', 'cache'])
  const files = (await readdir(folder.path)).filter((name) => !ours.has(name) && !name.startsWith('node-compile-cache'))
  return {files, processes: await processesOf(folder.path)}
}

const nothing = {files: [], processes: []}

test.skipIf(process.platform !== 'linux')(
  'the demo gives one document, loses nothing and leaves nothing behind (needs /proc)',
  async () => {
    const ended = await runDemo(['--json', '--changes', '2', '--measured', '100'])
    expect(ended).toMatchObject({exitCode: 0})
    const {phases, requests} = report.parse(ended.json())
    expect(phases.map(({name, asked}) => [name, asked['1.0.0']])).toEqual([
      ['before any route', 100],
      ['route ab 70/30', 70],
      ['route ab 30/70', 30],
      ['route bluegreen --to 2.0.0', 0],
      ['route undo', 30],
      ['1. route ab 50/50', 50],
      ['2. route ab 95/5', 95],
    ])
    for (const {requests, observed} of phases) expect(observed['1.0.0'] + observed['2.0.0']).toBe(requests)
    expect(requests).toBeGreaterThan(7 * 100)
    expect(ended.stderr).toContain(`0 lost of ${requests}`)
    expect(await remains()).toEqual(nothing)
  },
  // Thirty commands, a server and a host beside other tests.
  120_000,
)

test.skipIf(process.platform !== 'linux').each([
  ['while it comes up', [], ''],
  ['while traffic flows', ['--measured', '1000000'], 'before any route|Sending'],
])('Ctrl-C %s leaves nothing behind', async (_when, argv, sign) => {
  let [pid, said] = [0, '']
  const ending = runDemo(argv, (child) => {
    pid = child.pid!
    child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  })
  const begun = async (): Promise<boolean> => (await readdir(folder.path)).some((name) => name.startsWith('lattice-'))
  await until(async () => (await begun()) && new RegExp(sign).test(said), 30_000)
  process.kill(pid, 'SIGINT')
  expect(await ending).toMatchObject({exitCode: 130})
  expect(await remains()).toEqual(nothing)
})
