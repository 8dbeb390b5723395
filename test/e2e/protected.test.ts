import {spawn} from 'node:child_process'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'

import {cliIn, type Cli} from '../support/cli.js'
import {tempFolder, type TempFolder} from '../support/temp.js'
import {until} from '../support/until.js'

const hasScript = process.platform === 'linux' && (await runs('script', ['--version']))
let folder: TempFolder
let cli: Cli

beforeAll(async () => {
  folder = await tempFolder()
  cli = await cliIn(folder.path)
})

afterAll(async () => {
  await folder[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await write('config/nats/context/prod.json', {url: 'nats://127.0.0.1:1'})
  await write('config/lattice/contexts/prod.json', {protected: true})
})

test('a program that runs it gets the line that answers, and exit code 2', async () => {
  const ended = await cli.run('context', 'rm', 'prod')
  expect(ended).toMatchObject({exitCode: 2, stdout: ''})
  expect(ended.stderr).toContain('lattice context rm --confirm prod prod\n')
  expect((await cli.paste('lattice context rm --confirm prod prod --json')).json()).toMatchObject({changed: true})
})

test.skipIf(!hasScript).each([
  ['prod\r', 0, true],
  ['yes\r', 2, false],
  ['\u0003', 130, false],
  ['\u0004', 130, false],
])('at a terminal %j is answered with exit code %i (needs script on PATH)', async (keys, exitCode, removed) => {
  const ended = await atTerminal('lattice context rm prod', keys)
  expect(ended.output).toContain("Context 'prod' is protected")
  expect({...ended, output: ''}).toEqual({exitCode, output: ''})
  expect((await readFile(join(folder.path, 'config/nats/context/prod.json'), 'utf8').catch(() => '')) === '').toBe(
    removed,
  )
})

async function write(path: string, content: object): Promise<void> {
  await mkdir(dirname(join(folder.path, path)), {recursive: true})
  await writeFile(join(folder.path, path), JSON.stringify(content))
}

/** Runs a line at a terminal of its own, and presses the keys once it asks. */
async function atTerminal(line: string, keys: string): Promise<{output: string; exitCode: number | null}> {
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    env: {...cli.env, TERM: 'xterm'},
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve))
  try {
    await until(() => output.includes('protected'), 15_000)
    child.stdin.write(keys)
    return {exitCode: await exitCode, output}
  } finally {
    child.kill('SIGKILL')
  }
}

function runs(program: string, argv: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, [...argv], {stdio: 'ignore'})
    child.once('error', () => resolve(false)).once('close', (code) => resolve(code === 0))
  })
}
