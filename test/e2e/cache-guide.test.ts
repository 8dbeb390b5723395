import {execFile} from 'node:child_process'
import {readFile} from 'node:fs/promises'
import {promisify} from 'node:util'

import {connect, credsAuthenticator, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {createKey} from '../../src/lib/keys/nkey.js'
import {bytes, startCacheServer, type CacheServer} from '../support/cache-lattice.js'
import {cliIn, runToEnd, type Cli} from '../support/cli.js'
import {startOperatorServer} from '../support/nats-server.js'
import {tempFolder} from '../support/temp.js'
import {writeUser} from '../support/users.js'

const guide = await readFile(new URL('../../docs/cache.md', import.meta.url), 'utf8')
const hasNats = await promisify(execFile)('nats', ['--version']).then(
  () => true,
  () => false,
)

/** The shell blocks of each recipe, by its heading. */
function recipesOf(text: string): Map<string, readonly string[]> {
  const part = text.slice(text.indexOf('\n## Recipes\n')).split(/\n## /)[1]!
  const recipes = part.split('\n### ').slice(1)
  return new Map(
    recipes.map((recipe) => [
      recipe.slice(0, recipe.indexOf('\n')),
      [...recipe.matchAll(/```sh\n([^]*?)```/g)].map(([, block]) => block!),
    ]),
  )
}

let cache: CacheServer
let nc: NatsConnection
let count = 0

beforeAll(async () => {
  cache = await startCacheServer()
  nc = await connect({servers: cache.server.url})
})

afterAll(async () => {
  await nc.close()
  await cache[Symbol.asyncDispose]()
})

interface Shop {
  readonly lattice: string
  readonly cli: Cli
  /** Runs a block of the guide in a folder of its own; all of its lines must succeed. */
  readonly paste: (block: string) => Promise<string>
  readonly value: () => Promise<unknown>
}

async function shop(): Promise<Shop & AsyncDisposable> {
  const folder = await tempFolder()
  const lattice = `guide${count++}`
  const cli = await cliIn(folder.path, {
    LATTICE_URL: cache.server.url,
    LATTICE_LATTICE: lattice,
    NATS_URL: cache.server.url,
  })
  return {
    lattice,
    cli,
    paste: async (block) => {
      const ended = await runToEnd('sh', ['-e', '-c', `cd '${folder.path}'\n${block}`], cli.env)
      expect(ended.exitCode, `${block}\n${ended.stdout}${ended.stderr}`).toBe(0)
      return ended.stdout
    },
    value: async () => (await cli.ok('cache', 'get', 'config', 'http-8000'))['value'],
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

/** A configuration in two revisions. */
async function twice({cli}: Shop): Promise<void> {
  await cli.ok('cache', 'put', 'config', 'http-8000', '{"port":"8000"}')
  await cli.ok('cache', 'put', 'config', 'http-8000', '{"port":"9999"}')
}

async function streamConfig(bucket: string): Promise<Record<string, unknown> | undefined> {
  const {config} = await cache.request<{config?: Record<string, unknown>}>(`$JS.API.STREAM.INFO.KV_${bucket}`)
  return config
}

const tried: Readonly<Record<string, (lattice: Shop, blocks: readonly string[]) => Promise<void>>> = {
  'A change that was wrong': async (lattice, [block]) => {
    await twice(lattice)
    await lattice.paste(block!)
    expect(await lattice.value()).toEqual({port: '8000'})
  },
  'A record that was deleted': async (lattice, [block]) => {
    await twice(lattice)
    await lattice.cli.ok('cache', 'del', 'config', 'http-8000')
    await lattice.paste(block!)
    expect(await lattice.value()).toEqual({port: '8000'})
  },
  'A bucket that a host has made': async (lattice, [block]) => {
    const name = `LATTICEDATA_${lattice.lattice}`
    const host = {name: `KV_${name}`, subjects: [`$KV.${name}.>`], max_msgs_per_subject: 1, discard: 'new'}
    await cache.request(`$JS.API.STREAM.CREATE.KV_${name}`, JSON.stringify({...host, allow_rollup_hdrs: true}))
    await lattice.paste(block!)
    expect(await streamConfig(name)).toMatchObject({max_msgs_per_subject: 64})
  },
  'All that verify finds': async (lattice, [block]) => {
    const {cli} = lattice
    const [first, second] = [createKey('M').publicKey, createKey('M').publicKey]
    for (const key of [first, second]) {
      await cli.ok('cache', 'put', 'claims', key, JSON.stringify({name: 'x', call_alias: 'same', version: '1.0.0'}))
    }
    await cli.ok('cache', 'put', 'claims', `${second}@2.0.0`, '{"name":"it\'s"}')
    await cli.ok('cache', 'put', 'ref', 'reg/nobody:1', JSON.stringify({public_key: createKey('V').publicKey}))
    await cli.ok('cache', 'put', 'key', 'mine', '1')
    await lattice.paste(block!)
    const left = await cli.ok<{records: {kind: string}[]}>('cache', 'ls')
    expect(new Set(left.records.map(({kind}) => kind))).toEqual(new Set(['claims']))
  },
  'Before something risky': async (lattice, [before, back]) => {
    await twice(lattice)
    await lattice.paste(before!)
    await lattice.cli.ok('cache', 'put', 'config', 'http-8000', '{"port":"1"}')
    await lattice.paste(back!)
    expect(await lattice.value()).toEqual({port: '9999'})
  },
  'Out of memory, into files': async (lattice, [block]) => {
    await lattice.cli.ok('cache', 'init', '--storage', 'memory')
    await twice(lattice)
    await lattice.paste(block!)
    expect(await lattice.value()).toEqual({port: '9999'})
    expect(await streamConfig(`CONFIGDATA_${lattice.lattice}`)).toMatchObject({storage: 'file'})
  },
  'Records of hosts up to 0.59': async (lattice, [block]) => {
    const name = `LATTICECACHE_${lattice.lattice}`
    const config = {name, subjects: [`lc.${lattice.lattice}.>`], storage: 'memory', max_msgs_per_subject: 1}
    await cache.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config))
    const ref = {oci_url: 'reg/echo:1', public_key: createKey('M').publicKey}
    const subject = `lc.${lattice.lattice}.refmap.${Buffer.from(ref.oci_url).toString('base64url')}`
    await nc.request(subject, JSON.stringify(ref))
    await lattice.paste(block!)
    expect(await lattice.cli.ok('cache', 'get', 'ref', 'reg/echo:1')).toMatchObject({value: ref})
  },
}

describe('the recipes of the guide do what they say', () => {
  const recipes = recipesOf(guide)

  test('each of them is tried here', () => {
    expect([...recipes.keys()]).toEqual(Object.keys(tried))
  })

  for (const [name, tryIt] of Object.entries(tried)) {
    const blocks = recipes.get(name) ?? []
    const needsNats = blocks.join('').includes('nats ')
    test.skipIf(needsNats && !hasNats)(`${name}${needsNats ? ' (needs nats on PATH)' : ''}`, async () => {
      await using lattice = await shop()
      expect(blocks.length).toBeGreaterThan(0)
      await tryIt(lattice, blocks)
    })
  }
})

/** The subjects of a row of the guide's last table, for one lattice. */
function subjectsFor(row: string, lattice: string): string[] {
  const line = guide.split('\n').find((text) => text.startsWith(`| \`${row}\``))!
  const buckets = ['LATTICEDATA', 'LATTICEVERSIONS', 'CONFIGDATA', 'LATTICEROUTES'].map((kind) => `${kind}_${lattice}`)
  return [...line.matchAll(/`([$a-z][^` ]*\.[^` ]*)`/gi)].flatMap(([, subject]) => {
    const named = subject!.replaceAll('<L>', lattice)
    return named.includes('<B>') ? buckets.map((bucket) => named.replaceAll('<B>', bucket)) : [named]
  })
}

describe('the subjects that the guide grants', () => {
  test('suffice for init, migrate and verify, and without them the subject is named', async () => {
    await using server = await startOperatorServer()
    await using folder = await tempFolder()
    const base = await cliIn(folder.path)
    const as = async (allow: readonly string[]): Promise<Cli> => {
      const creds = await writeUser(folder.path, server.account, {pub: {allow}, sub: {allow: ['_INBOX.>']}})
      return {
        ...base,
        ...(await cliIn(folder.path, {NATS_URL: server.url, NATS_CREDS: creds, LATTICE_LATTICE: 'shop'})),
      }
    }
    const init = subjectsFor('init', 'shop')
    expect(init).toContain('$JS.API.STREAM.CREATE.KV_LATTICEDATA_shop')
    const maker = await as(init)
    expect(await maker.ok('cache', 'init')).toMatchObject({changed: true})
    expect(await maker.ok('cache', 'init', '--update', '--description', 'x')).toMatchObject({changed: true})
    const reader = await as(init.filter((subject) => !subject.includes('CREATE')))
    const {message} = await reader.fails(11, 'cache', 'init', '--lattice', 'shop2')
    expect(message).toContain('$JS.API.STREAM.')

    const migrate = subjectsFor('migrate', 'shop')
    const writing = ['$KV.LATTICEDATA_shop.>', '$JS.API.STREAM.MSG.GET.KV_LATTICEDATA_shop']
    const nobody = await as([...migrate, ...writing])
    const admin = await as(['>'])
    expect(await nobody.ok('cache', 'migrate')).toMatchObject({changed: false})
    const nats = await connect({
      servers: server.url,
      authenticator: credsAuthenticator(await readFile(server.credsFile)),
    })
    const config = {name: 'LATTICECACHE_shop', subjects: ['lc.shop.>'], storage: 'memory'}
    await nats.request('$JS.API.STREAM.CREATE.LATTICECACHE_shop', JSON.stringify(config))
    const key = createKey('M').publicKey
    await nats.request(`lc.shop.claims.${key}`, bytes(JSON.stringify({sub: key, name: 'x'})))
    await nats.close()
    const bucketInfo = '$JS.API.STREAM.INFO.KV_LATTICEDATA_shop'
    const moved = await (
      await as([...migrate, ...writing, bucketInfo])
    ).ok('cache', 'migrate', '--backup', `${folder.path}/b`)
    expect(moved).toMatchObject({streamDeleted: true})

    const reading = ['$JS.API.CONSUMER.>', '$JS.API.STREAM.INFO.>', '$JS.FC.>']
    const auditor = await as([...subjectsFor('verify', 'shop'), ...reading])
    const report = await auditor.ok<{notChecked: {rule: string}[]}>('cache', 'verify')
    expect(report).toMatchObject({records: 1, notChecked: [{rule: 'claims-unused'}]})
    expect(await admin.ok('cache', 'verify')).toMatchObject({records: 1})
  }, 60_000)
})
