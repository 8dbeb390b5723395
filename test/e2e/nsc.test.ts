import {execFile} from 'node:child_process'
import {mkdir, readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {afterEach, beforeEach, expect, test, vi} from 'vitest'

import {parseVersion} from '../../src/lib/entity/version.js'
import {accountOf} from '../../src/lib/nats/creds.js'
import {readOperatorKey} from '../../src/lib/nats/operator-key.js'
import {readReference} from '../../src/lib/nats/secrets.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {findOperatorKey, findSystemUser} from '../../src/lib/nsc/access.js'
import {listNscAccounts, listNscOperators, listNscUsers, openNscOperator} from '../../src/lib/nsc/operator.js'
import {findReferencedCreds} from '../../src/lib/nsc/reference.js'
import {parseSplit} from '../../src/lib/routing/weights.js'
import {startNatsServer} from '../support/nats-server.js'
import {openRoutes, serveVersion, testActor} from '../support/routes.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

const run = promisify(execFile)
const hasNsc = await run('nsc', ['--version']).then(
  () => true,
  () => false,
)

let home: TempFolder

beforeEach(async () => {
  home = await tempFolder()
  // The home itself stays, because the server is found below it.
  for (const name of ['XDG_CONFIG_HOME', 'XDG_DATA_HOME']) vi.stubEnv(name, join(home.path, name))
  for (const name of ['NSC_HOME', 'NKEYS_PATH']) vi.stubEnv(name, undefined)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await home[Symbol.asyncDispose]()
})

/** nsc as a user runs it; it looks for stores in its folder too, so that it runs in the empty home. */
async function nsc(...args: readonly string[]): Promise<string> {
  const {stdout} = await run('nsc', [...args], {
    cwd: home.path,
    env: {...process.env, HOME: home.path},
    timeout: 20_000,
  })
  return stdout
}

async function makeOperator(flags: readonly string[] = [], {strict = false} = {}): Promise<void> {
  await nsc(...flags, 'add', 'operator', '--generate-signing-key', '--sys', '--name', 'OPS')
  await nsc(...flags, 'edit', 'operator', '--service-url', 'nats://example.com:4222')
  if (strict) await nsc(...flags, 'edit', 'operator', '--require-signing-keys')
  await nsc(...flags, 'add', 'account', 'APP')
  const limits = ['--js-mem-storage', '--js-disk-storage', '--js-streams', '--js-consumer']
  await nsc(...flags, 'edit', 'account', 'APP', ...limits.flatMap((limit) => [limit, '-1']))
  if (strict) await nsc(...flags, 'edit', 'account', 'APP', '--sk', 'generate')
  await nsc(...flags, 'add', 'user', 'bob')
}

test.skipIf(!hasNsc)(
  'a route changes with nothing but an operator of nsc (needs nsc on PATH)',
  async () => {
    await makeOperator()
    await nsc('generate', 'config', '--nats-resolver', '--config-file', join(home.path, 'resolver.conf'))
    const generated = await readFile(join(home.path, 'resolver.conf'), 'utf8')
    const config = generated.replace(/dir: '.*'/, `dir: ${JSON.stringify(join(home.path, 'jwt'))}`)
    await using server = await startNatsServer({jetstream: true, config})
    await nsc('push', '--all', '-u', server.url)
    const spec: ConnectSpec = {
      servers: [server.url],
      credentials: {kind: 'creds', file: 'nsc://OPS/APP/bob'},
      nscStore: 'OPS',
      lattice: 'nsc',
      protected: false,
      timeoutMs: 5000,
      connectTimeoutMs: 5000,
    }
    const versions = ['1.0.0', '2.0.0'].map(parseVersion)
    const {entity, ref} = testActor()
    await using opened = await openRoutes(spec)
    for (const version of versions) serveVersion(opened.connection, {lattice: 'nsc', entity, version})
    await opened.connection.flush()
    const {legs} = await opened.routes.split(parseSplit(['70/30']), {entity: ref, versions})
    expect(legs.map(({weight}) => weight)).toEqual([70, 30])
    const operator = await openNscOperator('OPS')
    expect(operator.signingKeys).toContain((await readOperatorKey(spec)).publicKey)
    const [app] = await listNscAccounts(operator)
    expect(await accountOf(spec)).toBe(app!.key)
  },
  40_000,
)

test.skipIf(!hasNsc)(
  'program and store agree about a reference (needs nsc on PATH)',
  async () => {
    await makeOperator()
    const file = await findReferencedCreds('nsc://OPS/APP/bob')
    const rules = {purpose: 'creds file', bare: 'path', timeoutMs: 10_000} as const
    expect(await readReference('nsc://OPS/APP/bob', rules)).toBe(await readFile(file!, 'utf8'))
    await expect(readReference('nsc://OPS/APP/nobody', rules)).rejects.toThrow(
      "The program 'nsc' did not give 'nsc://OPS/APP/nobody': it ended with code 1.",
    )
    const [operator] = await listNscOperators()
    expect(operator).toMatchObject({name: 'OPS', serviceUrls: ['nats://example.com:4222'], strict: false})
    const accounts = await listNscAccounts(operator!)
    expect(accounts.map(({name}) => name)).toEqual(['APP', 'SYS'])
    expect(await listNscUsers(operator!, accounts[0]!)).toMatchObject([{name: 'bob', credsFile: file}])
  },
  40_000,
)

test.skipIf(!hasNsc)(
  'a store with scoped keys and strict signing gives the right ones (needs nsc on PATH)',
  async () => {
    await makeOperator([], {strict: true})
    await nsc('edit', 'signing-key', '--account', 'APP', '--sk', 'generate', '--role', 'scoped', '--allow-pub', 'x')
    const operator = await openNscOperator('ops')
    expect(operator.strict).toBe(true)
    expect(operator.signingKeys).toContain((await findOperatorKey(operator)).publicKey)
    expect((await listNscAccounts(operator))[0]!.signingKeys).toHaveLength(1)
    await nsc('delete', 'user', 'sys', '--account', 'SYS', '--rm-creds')
    const made = await findSystemUser(operator, Date.now() / 1000)
    const system = (await listNscAccounts(operator)).find(({key}) => key === operator.systemAccount)!
    expect(made).toMatchObject({kind: 'key', account: system.key, key: {publicKey: system.signingKeys[0]!}})
  },
  40_000,
)

test.skipIf(!hasNsc)(
  'stores in the old places and in one folder are found (needs nsc on PATH)',
  async () => {
    const all = join(home.path, 'all')
    await makeOperator(['--all-dirs', all])
    expect((await findSystemUser(await openNscOperator(all), Date.now() / 1000)).kind).toBe('creds')
    for (const folder of ['.nsc/nats', '.nkeys']) await mkdir(join(home.path, folder), {recursive: true})
    await makeOperator()
    await rm(join(home.path, 'XDG_CONFIG_HOME'), {recursive: true})
    vi.stubEnv('HOME', home.path)
    const operator = await openNscOperator('OPS')
    expect(operator.folder).toBe(join(home.path, '.nsc', 'nats', 'OPS'))
    expect(await findSystemUser(operator, Date.now() / 1000)).toMatchObject({
      kind: 'creds',
      file: expect.stringContaining(join(home.path, '.nkeys')) as unknown,
    })
  },
  40_000,
)
