import {execFile, type ExecFileException} from 'node:child_process'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {expect, test} from 'vitest'

import {readModuleClaims} from '../../src/lib/wasm/module.js'
import {useEmbeddedHome} from '../support/embedded-home.js'
import {until} from '../support/until.js'

const home = useEmbeddedHome()
const root = fileURLToPath(new URL('../..', import.meta.url))
const build = join(root, 'examples', 'echo', 'build')

/** Runs the tool as a user would; the JSON document it prints. */
function lattice(...args: readonly string[]): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      if (error === null) resolve(JSON.parse(stdout) as Record<string, unknown>)
      else reject(new Error(`lattice ${args.join(' ')}: ${stdout}${stderr}`))
    }
    execFile(process.execPath, [join(root, 'bin', 'run.js'), ...args, '--json'], {timeout: 60_000}, done)
  })
}

/** Everything that runs, as `name@version dark?` of each instance. */
async function running(): Promise<string[]> {
  const {entities} = (await lattice('entity', 'ls')) as {
    entities: {name: string; instances: {version?: string; dark?: boolean}[]}[]
  }
  return entities
    .flatMap(({name, instances}) =>
      instances.map(({version, dark}) => `${name}@${version ?? '?'}${dark === true ? ' dark' : ''}`),
    )
    .sort()
}

test('after a power cut one lattice up brings server, hosts and their entities back', async () => {
  const module = join(build, 'echo-1.0.0.wasm')
  const {issuer} = readModuleClaims(await readFile(module), Date.now())
  const first = await lattice('up', '--port', '0', '--hosts', '2', '--allow-files', build, '--allowed-issuer', issuer)
  const [one, two] = (first['hosts'] as {id: string}[]).map(({id}) => id)
  await lattice('start', module, '--host', String(one))
  await lattice('start', join(build, 'echo-2.0.0.wasm'), '--host', String(two), '--dark')
  const before = await running()
  expect(before).toEqual(['echo@1.0.0', 'echo@2.0.0 dark'])

  await home.kill('all')
  expect(await lattice('status')).toMatchObject({state: 'stopped'})
  const second = await lattice('up')
  expect(second).toMatchObject({changed: true, url: first['url'], issuer: first['issuer']})
  await until(async () => (await running()).join() === before.join(), 10_000)
  expect(await lattice('down', '--purge')).toMatchObject({changed: true, removed: true})
})
