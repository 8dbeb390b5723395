import {execFile} from 'node:child_process'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {expect, test} from 'vitest'

import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {listNscAccounts, openNscOperator} from '../../src/lib/nsc/operator.js'
import {openDriver} from '../support/jwt-driver.js'
import {startNatsServer} from '../support/nats-server.js'
import {tempFolder} from '../support/temp.js'

const run = promisify(execFile)
const hasNsc = await run('nsc', ['--version']).then(
  () => true,
  () => false,
)

const destinations = [
  {subject: 'v2.orders', weight: 40},
  {subject: 'v1.orders', weight: 60},
]

test.skipIf(!hasNsc)(
  'what nsc edits and pushes after a route keeps the route, and what it did not push is told (needs nsc on PATH)',
  async () => {
    await using home = await tempFolder()
    const all = join(home.path, 'all')
    const nsc = async (...args: readonly string[]): Promise<string> => {
      const env = {...process.env, HOME: home.path, XDG_CONFIG_HOME: home.path, XDG_DATA_HOME: home.path}
      const {stdout, stderr} = await run('nsc', ['--all-dirs', all, ...args], {cwd: home.path, env, timeout: 20_000})
      return stdout + stderr
    }
    await nsc('add', 'operator', '--generate-signing-key', '--sys', '--name', 'OPS')
    await nsc('add', 'account', 'APP')
    await nsc('add', 'user', 'bob')
    await nsc('generate', 'config', '--nats-resolver', '--config-file', join(home.path, 'resolver.conf'))
    const generated = await readFile(join(home.path, 'resolver.conf'), 'utf8')
    const config = generated.replace(/dir: '.*'/, `dir: ${JSON.stringify(join(home.path, 'jwt'))}`)
    await using server = await startNatsServer({config})
    await nsc('push', '--all', '-u', server.url)
    await nsc('edit', 'operator', '--account-jwt-server-url', server.url)

    const operator = await openNscOperator(all)
    const account = (await listNscAccounts(operator)).find(({name}) => name === 'APP')!.key
    const base = {lattice: 'default', protected: false, timeoutMs: 5000, connectTimeoutMs: 5000}
    const spec: ConnectSpec = {...base, servers: [server.url], nscStore: all}
    const open = () => openDriver(spec, account)
    {
      await using opened = await open()
      await (await opened.driver.apply([{source: 'orders', destinations}])).verify(2000)
    }
    // nsc takes the stored token for the account's, edits it and pushes it.
    expect(await nsc('describe', 'account', '--name', 'APP', '--raw')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\s*$/)
    await nsc('edit', 'account', '--name', 'APP', '--description', 'edited')
    await expect(open()).rejects.toMatchObject({
      kind: 'conflict',
      details: {mappings: 0, claims: expect.arrayContaining(['description']) as string[]},
    })
    await nsc('push', '--account', 'APP', '-u', server.url)
    await using opened = await open()
    expect(opened.view.mappings).toEqual({orders: destinations})
    await (await opened.driver.apply([{source: 'orders', destinations: undefined}])).verify(2000)
    await nsc('push', '--account', 'APP', '-u', server.url)
    expect((await opened.driver.read()).mappings).toEqual({})
    // And the other way round: what others pushed is pulled, as the conflict says.
    expect(await nsc('pull', '--all', '--overwrite-newer')).not.toMatch(/error|fail/i)
    expect(await opened.driver.drift()).toBeUndefined()
  },
  40_000,
)
