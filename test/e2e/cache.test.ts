import {spawn} from 'node:child_process'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {fileURLToPath} from 'node:url'

import {afterAll, beforeAll, expect, test} from 'vitest'

import {createKey} from '../../src/lib/keys/nkey.js'
import {startCacheServer, type CacheServer, type TestLattice} from '../support/cache-lattice.js'

const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

interface Ended {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

/** Runs a program to its end, with nothing of the user's configuration. */
async function runProcess(file: string, argv: readonly string[], input?: string | Uint8Array): Promise<Ended> {
  const env = {
    PATH: `${cache.server.dir}:${process.env['PATH'] ?? ''}`,
    XDG_CONFIG_HOME: join(cache.server.dir, 'config'),
    LATTICE_URL: cache.server.url,
  }
  const child = spawn(file, [...argv], {env, stdio: ['pipe', 'pipe', 'pipe'], timeout: 30_000})
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return {exit: await exit, stdout, stderr}
}

const cli = (lattice: TestLattice, ...argv: readonly string[]): Promise<Ended> =>
  runProcess(process.execPath, [bin, ...argv, ...lattice.where])

test('of two processes that write one revision at the same time one wins and the other exits 5', async () => {
  const lattice = await cache.lattice()
  let revision = await lattice.data.put('counter', new TextEncoder().encode('start'))
  for (let round = 0; round < 5; round++) {
    const writers = ['a', 'b'].map((who) =>
      cli(lattice, 'cache', 'put', 'key', 'counter', `${who}${round}`, '--revision', `${revision}`, '--json'),
    )
    const ended = await Promise.all(writers)
    expect(ended.map(({exit}) => exit).sort()).toEqual([0, 5])
    const [winner, loser] = [ended.find(({exit}) => exit === 0), ended.find(({exit}) => exit === 5)]
    const written = JSON.parse(winner?.stdout ?? '') as {revision: number; value: string}
    const refused = JSON.parse(loser?.stdout ?? '') as {error: {details: {current: number}}}
    expect(refused.error.details.current).toBe(written.revision)
    const present = await lattice.data.get('counter')
    expect(new TextDecoder().decode(present?.value)).toBe(written.value)
    revision = written.revision
  }
})

test('of two processes that create one record at the same time one wins', async () => {
  const lattice = await cache.lattice()
  const ended = await Promise.all(['a', 'b'].map((who) => cli(lattice, 'cache', 'put', 'key', 'new', who, '--create')))
  expect(ended.map(({exit}) => exit).sort()).toEqual([0, 5])
})

test('exact bytes go from stdin to stdout', async () => {
  const lattice = await cache.lattice()
  const bytes = Uint8Array.from({length: 256}, (_, index) => index)
  const put = await runProcess(process.execPath, [bin, 'cache', 'put', 'key', 'bytes', ...lattice.where], bytes)
  expect(put).toMatchObject({exit: 0, stderr: ''})
  expect((await lattice.data.get('bytes'))?.value).toEqual(bytes)
  const copy = `lattice cache get key bytes --raw ${lattice.where.join(' ')} > ${join(cache.server.dir, 'copy.bin')}`
  await writeLauncher()
  expect((await runProcess('sh', ['-c', copy])).exit).toBe(0)
  const same = await runProcess(process.execPath, [
    bin,
    'cache',
    'put',
    'key',
    'bytes',
    '--file',
    join(cache.server.dir, 'copy.bin'),
    ...lattice.where,
  ])
  expect(same.stdout).toContain('Unchanged')
})

test('the lines that take changes back do so when they are pasted, secrets included', async () => {
  const lattice = await cache.lattice()
  await writeLauncher()
  const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]
  const link = ['link', 'put', actor, provider, '--contract', 'wasmcloud:keyvalue']
  const undo = async ({stdout}: Ended): Promise<void> => {
    const line = /^Undo: (.*)$/m.exec(stdout)?.[1] ?? ''
    expect(await runProcess('sh', ['-c', line])).toMatchObject({exit: 0})
  }
  const stored = async (): Promise<string> => new TextDecoder().decode((await lattice.data.list())[0]?.value)

  await cli(lattice, ...link, '--value', 'PASSWORD=first')
  const replaced = await cli(lattice, ...link, '--value', 'PASSWORD=second')
  expect(await stored()).toContain('"PASSWORD":"second"')
  await undo(replaced)
  expect(await stored()).toContain('"PASSWORD":"first"')
  await undo(await cli(lattice, 'link', 'del', actor))
  expect(await stored()).toContain('"PASSWORD":"first"')
  await undo(await cli(lattice, ...link, '--link', 'other', '--create'))
  expect(await lattice.data.list()).toHaveLength(1)
})

/** `lattice` on the path, as an installed package has it. */
async function writeLauncher(): Promise<void> {
  const script = `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`
  await writeFile(join(cache.server.dir, 'lattice'), script, {mode: 0o755})
}
