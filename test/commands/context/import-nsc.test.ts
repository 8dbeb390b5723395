import {execFile} from 'node:child_process'
import {promisify} from 'node:util'

import {afterAll, beforeAll, expect, test} from 'vitest'

import ContextImport from '../../../src/commands/context/import.js'
import ContextUse from '../../../src/commands/context/use.js'
import HostLs from '../../../src/commands/host/ls.js'
import RouteLs from '../../../src/commands/route/ls.js'
import {createUser, operatorTokens} from '../../../src/lib/keys/operator.js'
import {decodeToken, encodeToken} from '../../../src/lib/keys/token.js'
import {useConfigHome} from '../../support/config-home.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'

const home = useConfigHome()
const program = promisify(execFile)
const hasNsc = await program('nsc', ['--version']).then(
  () => true,
  () => false,
)
let server: OperatorServer

beforeAll(async () => {
  server = await startOperatorServer()
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const importNsc = (...argv: readonly string[]): ReturnType<typeof home.run> =>
  home.run(ContextImport, '--from', 'nsc', ...argv)

/** nsc's folders with the operator of the server: users `ci` (with creds) and `lost` (without) of APP, and `sys`. */
async function writeStore(serviceUrls: readonly string[]): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const data = '.local/share/nats/nsc'
  const store = `${data}/stores/Acme`
  const tokens = operatorTokens(server, {operator: 'Acme', account: 'APP'}, now)
  const {header, payload} = decodeToken(tokens.operator)
  const nats = {...(payload['nats'] as object), operator_service_urls: serviceUrls}
  await home.write(`${store}/.nsc`, {managed: false, name: 'Acme', kind: 'operator', version: '1'})
  await home.write(`${store}/Acme.jwt`, encodeToken(header, {...payload, nats}, server.operator))
  await home.write(`${store}/accounts/APP/APP.jwt`, tokens.account)
  await home.write(`${store}/accounts/SYS/SYS.jwt`, tokens.systemAccount)
  for (const [account, user] of [
    ['APP', 'ci'],
    ['APP', 'lost'],
    ['SYS', 'sys'],
  ] as const) {
    const {creds} = createUser(account === 'APP' ? server.account : server.systemAccount, user, now)
    await home.write(`${store}/accounts/${account}/users/${user}.jwt`, creds.split('\n')[1]!)
    if (user !== 'lost') await home.write(`${data}/keys/creds/Acme/${account}/${user}.creds`, creds)
  }
  const {publicKey, seed} = server.operatorSigning
  await home.write(`${data}/keys/keys/O/${publicKey.slice(1, 3)}/${publicKey}.nk`, seed)
  return home.path(store)
}

test('users of a store become contexts that connect, with operator key and system user from the store', async () => {
  const store = await writeStore(['wss://127.0.0.1:1', server.url])
  const imported = await importNsc('--json')
  expect(imported.json()).toEqual({
    folder: home.path('.local/share/nats/nsc/stores'),
    contexts: [
      {from: 'Acme/APP/ci', context: 'Acme-APP-ci', state: 'added', url: server.url, lattice: 'default', notes: []},
      {
        from: 'Acme/APP/lost',
        context: 'Acme-APP-lost',
        state: 'skipped',
        reason: 'nsc has no creds file of it: nsc generate creds -a APP -n lost -o FILE',
        notes: [],
      },
      {from: 'Acme/SYS/sys', context: 'Acme-SYS-sys', state: 'added', url: server.url, lattice: 'default', notes: []},
    ],
    selected: 'Acme-APP-ci',
    changed: true,
    dryRun: false,
  })
  expect(await home.json('config/nats/context/Acme-APP-ci.json')).toMatchObject({
    creds: home.path('.local/share/nats/nsc/keys/creds/Acme/APP/ci.creds'),
  })
  expect(await home.json('config/lattice/contexts/Acme-APP-ci.json')).toEqual({nscStore: store})
  expect(await home.json('config/lattice/contexts/Acme-SYS-sys.json')).toEqual({})
  expect((await home.run(HostLs, '--json')).json()).toMatchObject({lattice: 'default', hosts: []})
  expect((await home.run(RouteLs, '--json')).json()).toMatchObject({routes: []})
  expect((await importNsc('--json')).json()).toMatchObject({changed: false})
})

test('an operator or an account chooses, also by folder, and a user without creds is refused when asked for', async () => {
  const store = await writeStore([server.url])
  const contexts = async (...argv: readonly string[]): Promise<readonly string[]> => {
    const {contexts} = (await importNsc(...argv, '--dry-run', '--json')).json() as {contexts: {context: string}[]}
    return contexts.map(({context}) => context)
  }
  expect(await contexts('Acme/SYS')).toEqual(['Acme-SYS-sys'])
  expect(await contexts('Acme/APP/ci', '--prefix', 'nsc-')).toEqual(['nsc-Acme-APP-ci'])
  expect(await contexts('Acme/SYS', '--dir', store)).toEqual(['Acme-SYS-sys'])
  expect(await contexts('Acme/SYS', '--dir', 'Acme')).toEqual(['Acme-SYS-sys'])
  expect(await importNsc('Acme/APP/lost')).toMatchObject({exitCode: 2})
  expect(await importNsc('Acme/A')).toMatchObject({exitCode: 4})
  expect(await home.run(ContextUse, 'Acme-SYS-sys')).toMatchObject({exitCode: 4})
})

test('without a service URL that can be used, the default one is named', async () => {
  await writeStore(['wss://127.0.0.1:1'])
  const {stdout, stderr} = await importNsc('Acme/APP/ci')
  expect(stderr).toContain('the operator names no service URL')
  expect(stdout).toBe('Acme/APP/ci\tAcme-APP-ci\tadded\tdefault\t\n')
})

test('without a store it exits 4', async () => {
  expect(await importNsc()).toMatchObject({exitCode: 4})
})

test.skipIf(!hasNsc)('what nsc itself made is imported (needs nsc on PATH)', async () => {
  const env = {PATH: process.env['PATH'], HOME: home.path()}
  const nsc = (...argv: readonly string[]): Promise<unknown> => program('nsc', [...argv], {env})
  await nsc('add', 'operator', 'Acme', '--sys')
  await nsc('edit', 'operator', '--service-url', 'nats://127.0.0.1:4999')
  await nsc('add', 'account', 'Shop')
  await nsc('add', 'user', '-a', 'Shop', 'night worker')
  const imported = await importNsc('--json')
  expect(imported.json()).toMatchObject({
    contexts: [
      {from: 'Acme/SYS/sys', state: 'added', url: 'nats://127.0.0.1:4999'},
      {from: 'Acme/Shop/night worker', context: 'Acme-Shop-night-worker', state: 'added'},
    ],
    selected: 'Acme-Shop-night-worker',
  })
})
