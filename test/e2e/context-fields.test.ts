import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheGet from '../../src/commands/cache/get.js'
import ContextCheck from '../../src/commands/context/check.js'
import ContextLs from '../../src/commands/context/ls.js'
import HostLs from '../../src/commands/host/ls.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {parseCreds} from '../../src/lib/keys/creds.js'
import {createAuthority, type CertificateFiles} from '../support/certificates.js'
import {useConfigHome} from '../support/config-home.js'
import {
  freePort,
  startNatsServer,
  startOperatorServer,
  type OperatorServer,
  type TestServer,
} from '../support/nats-server.js'
import {writeNscStore} from '../support/nsc-store.js'
import {startSocksProxy, type SocksProxy} from '../support/socks-proxy.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

const home = useConfigHome()
const user = createKey('U')

let folder: TempFolder
let users: TestServer
let tokens: TestServer
let open: TestServer
let operator: OperatorServer
let secure: TestServer
let first: TestServer
let proxy: SocksProxy
let server: CertificateFiles
let client: CertificateFiles

beforeAll(async () => {
  folder = await tempFolder()
  const authority = await createAuthority(folder.path)
  ;[server, client] = await Promise.all([authority.server(), authority.client()])
  const files = `cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${server.ca}"`
  const narrow = 'permissions: {publish: ">", subscribe: "mine.>"}'
  const people = `{user: u, password: p}, {nkey: ${user.publicKey}}, {user: narrow, password: p, ${narrow}}`
  ;[users, tokens, open, operator, secure, first, proxy] = await Promise.all([
    startNatsServer({config: `authorization {users: [${people}]}`}),
    startNatsServer({config: 'authorization {token: sesame}'}),
    startNatsServer({config: `jetstream {store_dir: ${JSON.stringify(join(folder.path, 'js'))}, domain: hub}`}),
    startOperatorServer(),
    startNatsServer({config: `tls {${files}, verify: true}`}),
    startNatsServer({config: `tls {${files}, handshake_first: true}`}),
    startSocksProxy(),
  ])
})
afterAll(async () => {
  for (const each of [users, tokens, open, operator, secure, first, proxy, folder]) await each[Symbol.asyncDispose]()
})

type Fields = Readonly<Record<string, unknown>>

async function write(nats: Fields, lattice: Fields = {}): Promise<void> {
  await home.write('config/nats/context/probe.json', nats)
  await home.write('config/lattice/contexts/probe.json', lattice)
}

/** Exit code of a command that only needs a connection. */
async function connects(nats: Fields): Promise<boolean> {
  await write(nats)
  const {exitCode, stderr} = await home.run(HostLs, '--context', 'probe', '--timeout', '2s')
  expect([0, 11], stderr).toContain(exitCode)
  return exitCode === 0
}

/** What `context check` says of one thing. */
async function checked(nats: Fields, lattice: Fields, what: string): Promise<string | undefined> {
  await write(nats, lattice)
  const {json} = await home.run(ContextCheck, 'probe', '--json')
  const {checks} = json() as {checks: {check: string; state: string}[]}
  return checks.find(({check}) => check === what)?.state
}

async function readsCache(nats: Fields): Promise<boolean> {
  await write(nats)
  // Nothing is stored, which only JetStream can know.
  return (await home.run(CacheGet, 'key', 'none', '--context', 'probe', '--timeout', '2s')).exitCode === 4
}

type Effect = () => Promise<void>

/** Every field, and what is different with it. */
const effects: Readonly<Record<string, Effect>> = {
  description: async () => {
    await write({url: open.url, description: 'of the shop'})
    expect((await home.run(ContextLs)).stdout).toContain('of the shop')
  },
  url: async () => {
    expect(await connects({url: `nats://127.0.0.1:${await freePort()},${open.url}`})).toBe(true)
    expect(await connects({url: `nats://127.0.0.1:${await freePort()}`})).toBe(false)
  },
  token: async () => {
    expect(await connects({url: tokens.url, token: 'sesame'})).toBe(true)
    expect(await connects({url: tokens.url})).toBe(false)
  },
  user: async () => {
    expect(await connects({url: users.url, user: 'u', password: 'p'})).toBe(true)
    expect(await connects({url: users.url, user: 'v', password: 'p'})).toBe(false)
  },
  password: async () => {
    expect(await connects({url: users.url, user: 'u', password: 'q'})).toBe(false)
  },
  creds: async () => {
    expect(await connects({url: operator.url, creds: operator.credsFile})).toBe(true)
    expect(await connects({url: operator.url})).toBe(false)
  },
  nkey: async () => {
    const nkey = await home.write('user.nk', user.seed)
    expect(await connects({url: users.url, nkey})).toBe(true)
  },
  user_jwt: async () => {
    const {jwt, seed} = parseCreds(await readFile(operator.credsFile, 'utf8'))!
    expect(await connects({url: operator.url, user_jwt: jwt, user_seed: seed})).toBe(true)
  },
  user_seed: async () => {
    const {jwt} = parseCreds(await readFile(operator.credsFile, 'utf8'))!
    expect(await connects({url: operator.url, user_jwt: jwt, user_seed: createKey('U').seed})).toBe(false)
  },
  nsc: async () => {
    const {operator: root, operatorSigning, systemAccount, account} = operator
    await writeNscStore({
      storeRoot: home.path('.local', 'share', 'nats', 'nsc', 'stores'),
      keystore: home.path('.local', 'share', 'nats', 'nsc', 'keys'),
      keys: {operator: root, operatorSigning, systemAccount, account},
      serviceUrls: [operator.url],
    })
    expect(await connects({nsc: 'nsc://OPS/APP/app'})).toBe(true)
  },
  ca: async () => {
    expect(await connects({url: first.url, tls_first: true, ca: server.ca})).toBe(true)
    expect(await connects({url: first.url, tls_first: true})).toBe(false)
  },
  cert: async () => {
    expect(await connects({url: secure.url, ca: server.ca, cert: client.cert, key: client.key})).toBe(true)
    expect(await connects({url: secure.url, ca: server.ca})).toBe(false)
  },
  key: async () => {
    expect(await connects({url: secure.url, ca: server.ca, cert: client.cert, key: server.key})).toBe(false)
  },
  tls_first: async () => {
    expect(await connects({url: first.url, ca: server.ca})).toBe(false)
  },
  socks_proxy: async () => {
    expect(await connects({url: open.url, socks_proxy: `socks5://127.0.0.1:${proxy.port}`})).toBe(true)
    expect(proxy.asked).toEqual([`127.0.0.1:${open.port}`])
    expect(await connects({url: open.url, socks_proxy: `socks5://127.0.0.1:${await freePort()}`})).toBe(false)
  },
  jetstream_domain: async () => {
    expect(await readsCache({url: open.url, jetstream_domain: 'hub'})).toBe(true)
    expect(await readsCache({url: open.url, jetstream_domain: 'rim'})).toBe(false)
  },
  jetstream_api_prefix: async () => {
    expect(await readsCache({url: open.url, jetstream_api_prefix: '$JS.hub.API'})).toBe(true)
    expect(await readsCache({url: open.url, jetstream_api_prefix: 'LENT.API'})).toBe(false)
  },
  inbox_prefix: async () => {
    const narrow = {url: users.url, user: 'narrow', password: 'p'}
    expect(await connects({...narrow, inbox_prefix: 'mine'})).toBe(true)
    expect(await connects(narrow)).toBe(false)
  },
}

const ignored: Fields = {jetstream_event_prefix: 'X', color_scheme: 'red'}
const refused: Fields = {
  windows_cert_store: 'user',
  windows_cert_match_by: 'subject',
  windows_cert_match: 'me',
  windows_ca_certs_match: ['ca'],
}

/** Every field of ours, and what is different with it. */
const ourEffects: Readonly<Record<string, Effect>> = {
  lattice: async () => {
    await write({url: open.url}, {lattice: 'blue'})
    const {json} = await home.run(HostLs, '--context', 'probe', '--json')
    expect(json()).toMatchObject({lattice: 'blue'})
  },
  dialect: async () => {
    const needs = async (fields: Fields): Promise<string> => {
      await write({url: users.url, user: 'narrow', password: 'p', inbox_prefix: 'mine'}, fields)
      return (await home.run(ContextCheck, 'probe', '--json')).stdout
    }
    expect(await needs({})).not.toBe(await needs({dialect: 'v0'}))
  },
  sysContext: async () => {
    await home.write('config/nats/context/sys.json', {url: operator.url, creds: operator.sysCredsFile})
    expect(await checked(credentials(), {sysContext: 'sys'}, 'system')).toBe('ok')
    expect(await checked(credentials(), {}, 'system')).not.toBe('ok')
  },
  sysAccountKeyFile: async () => {
    const file = await home.write('system.nk', operator.systemAccount.seed)
    expect(await checked(credentials(), {sysAccountKeyFile: file}, 'system')).toBe('ok')
  },
  operatorKeyFile: async () => {
    const sysContext = 'sys'
    await home.write('config/nats/context/sys.json', {url: operator.url, creds: operator.sysCredsFile})
    const {operatorKeyFile} = operator
    expect(await checked(credentials(), {sysContext, operatorKeyFile}, 'operatorKey')).toBe('ok')
    expect(await checked(credentials(), {sysContext}, 'operatorKey')).not.toBe('ok')
  },
  nscStore: async () => {
    const {operator: root, operatorSigning, systemAccount, account} = operator
    const {folder} = await writeNscStore({
      storeRoot: home.path('stores'),
      keystore: home.path('keys'),
      keys: {operator: root, operatorSigning, systemAccount, account},
    })
    expect(await checked(credentials(), {nscStore: folder}, 'operatorKey')).toBe('ok')
  },
  clusterSeedFile: async () => {
    const {clusterSeedFile} = operator
    expect(await checked(credentials(), {clusterSeedFile}, 'clusterSeed')).toBe('ok')
    expect(await checked(credentials(), {}, 'clusterSeed')).not.toBe('ok')
  },
  protected: async () => {
    await write({url: open.url}, {protected: true})
    const {default: CacheDel} = await import('../../src/commands/cache/del.js')
    const {exitCode, stderr} = await home.run(CacheDel, 'key', 'x', '--context', 'probe')
    expect(exitCode, stderr).toBe(2)
    expect(stderr).toContain('--confirm probe')
  },
}

function credentials(): Fields {
  return {url: operator.url, creds: operator.credsFile}
}

describe('every field of a context does what docs/connecting.md says', () => {
  test.each(Object.entries(effects))('%s', async (_field, effect) => {
    await effect()
  })

  test.each(Object.entries(ourEffects))('%s of ours', async (_field, effect) => {
    await effect()
  })

  test('what is ignored changes nothing', async () => {
    expect(await connects({url: open.url, ...ignored})).toBe(true)
  })

  test.each(Object.entries(refused))('%s is refused by name', async (field, value) => {
    await write({url: open.url, [field]: value})
    const {exitCode, stderr} = await home.run(HostLs, '--context', 'probe')
    expect(exitCode).toBe(11)
    expect(stderr).toContain(`'${field}'`)
  })

  test('and the page names them all', async () => {
    const page = await readFile(new URL('../../docs/connecting.md', import.meta.url), 'utf8')
    const tables = page.split(/^\| field \| what uses it \|\n\|---\|---\|\n/m).slice(1)
    const [theirs, ours] = tables.map((table) => {
      const rows = table.split('\n\n', 1)[0]!.split('\n')
      return rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!)).sort()
    })
    expect(theirs).toEqual([effects, ignored, refused].flatMap(Object.keys).sort())
    expect(ours).toEqual(Object.keys(ourEffects).sort())
  })
})
