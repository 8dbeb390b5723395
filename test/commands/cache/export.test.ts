import {createHash} from 'node:crypto'
import {mkdir, readdir, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheExport from '../../../src/commands/cache/export.js'
import CachePut from '../../../src/commands/cache/put.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {bytes, printable, startCacheServer, type CacheServer, type Failure} from '../../support/cache-lattice.js'

let cache: CacheServer

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

interface Line {
  readonly export?: {readonly kinds: readonly string[]; readonly redacted?: boolean; readonly lattice: string}
  readonly end?: {readonly count: number; readonly sha256: string}
  readonly kind?: string
  readonly name?: string
  readonly bucket?: string
  readonly key?: string
  readonly value?: unknown
  readonly text?: string
  readonly base64?: string
}

const linesOf = (text: string): Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)

async function mixedLattice(): Promise<Awaited<ReturnType<CacheServer['lattice']>> & {readonly key: string}> {
  const lattice = await cache.lattice()
  const key = createKey('M').publicKey
  await lattice.storeClaims(key, {name: 'echo', version: '1.2.0'})
  await lattice.run(CachePut, 'ref', 'x.io/echo:1', JSON.stringify({public_key: key}))
  await lattice.run(CachePut, 'config', 'db', '{"URL":"redis://u:p@h","PASSWORD":"geheim"}')
  await lattice.data.put('plain', bytes('some "text"\nof two lines'))
  await lattice.data.put('binary', Uint8Array.of(0xff, 0, 7))
  await lattice.data.put('number', bytes('{"big":12345678901234567890}'))
  await lattice.data.put('token', bytes('"geheim"'))
  await lattice.data.put('gone', bytes('x'))
  await lattice.data.del('gone')
  await lattice.versions.put('odd', bytes('7'))
  return {...lattice, key}
}

describe('cache export', () => {
  test('writes every record, between a line that says what it is and one that says whether it is whole', async () => {
    const lattice = await mixedLattice()
    const {stdout, stderr, exitCode} = await lattice.run(CacheExport)
    expect(exitCode).toBe(0)
    expect(stderr).toContain('Exported 9 records')
    const [header, ...rest] = linesOf(stdout)
    expect(header?.export).toMatchObject({format: 1, lattice: lattice.name})
    const {end} = rest.pop()!
    expect(end?.count).toBe(9)
    const before = stdout.slice(0, stdout.trimEnd().lastIndexOf('\n') + 1)
    expect(end?.sha256).toBe(createHash('sha256').update(before).digest('hex'))
    expect(rest).toMatchObject([
      {kind: 'claims', name: lattice.key, key: `CLAIMS_${lattice.key}`, revision: 1, value: {name: 'echo'}},
      {kind: 'ref', name: 'x.io/echo:1', value: {oci_url: 'x.io/echo:1'}},
      {kind: 'key', key: 'plain', text: 'some "text"\nof two lines'},
      {kind: 'key', key: 'binary', base64: '/wAH'},
      {kind: 'key', key: 'number'},
      {kind: 'key', key: 'token', value: 'geheim'},
      {kind: 'claims', name: `${lattice.key}@1.2.0`},
      {kind: 'key', bucket: `LATTICEVERSIONS_${lattice.name}`, key: 'odd', value: 7},
      {kind: 'config', key: 'db', value: {PASSWORD: 'geheim'}},
    ])
    expect(stdout).toContain('"value":{"big":12345678901234567890}}')
    expect(rest.every((line) => !Number.isNaN(Date.parse((line as {created: string}).created)))).toBe(true)
  })

  test('writes only what is asked for, and says so in the first line', async () => {
    const lattice = await mixedLattice()
    const lines = linesOf((await lattice.run(CacheExport, '--kind', 'claims', '--kind', 'config')).stdout)
    expect(lines.slice(1, -1).map(({kind}) => kind)).toEqual(['claims', 'claims', 'config'])
    expect(lines[0]?.export?.kinds).toEqual(['claims', 'config'])
  })

  test('hides secrets when it is told to, and says that it did', async () => {
    const lattice = await mixedLattice()
    for (const format of ['jsonl', 'yaml']) {
      const {stdout} = await lattice.run(CacheExport, '--redact', '--format', format)
      expect(stdout).not.toContain('geheim')
      expect(stdout).not.toContain('u:p@')
      expect(stdout).toMatch(/"?redacted"?: ?true/)
    }
    const {stdout} = await lattice.run(CacheExport)
    expect(stdout.match(/geheim/g)).toHaveLength(2)
  })

  test('gives exact bytes with --raw', async () => {
    const lattice = await mixedLattice()
    const lines = linesOf((await lattice.run(CacheExport, '--raw')).stdout).slice(1, -1)
    expect(lines.every(({base64}) => base64 !== undefined)).toBe(true)
    const plain = lines.find(({key}) => key === 'plain')
    expect(Buffer.from(plain?.base64 ?? '', 'base64').toString()).toBe('some "text"\nof two lines')
  })

  test('sorts by key, and the lines are the same', async () => {
    const lattice = await mixedLattice()
    const [plain, sorted] = [await lattice.run(CacheExport), await lattice.run(CacheExport, '--sort', 'key')].map(
      ({stdout}) => stdout.split('\n').filter((line) => line.startsWith('{"kind"')),
    )
    expect(sorted).not.toEqual(plain)
    expect([...sorted!].sort()).toEqual([...plain!].sort())
    const keys = linesOf(sorted!.join('\n')).map(({key}) => key!)
    expect(keys.slice(0, 6)).toEqual(keys.slice(0, 6).sort())
  })

  test('writes a file that only its owner reads, whole or not at all', async () => {
    const lattice = await mixedLattice()
    const folder = join(cache.server.dir, `out-${lattice.name}`)
    const file = join(folder, 'backup.jsonl')
    await mkdir(folder)
    const {stdout, json, exitCode} = await lattice.run(CacheExport, '--output', file, '--json')
    expect(exitCode).toBe(0)
    const text = await readFile(file, 'utf8')
    expect(json()).toMatchObject({
      lattice: lattice.name,
      records: 9,
      bytes: text.length,
      redacted: false,
      format: 'jsonl',
    })
    expect(stdout).toContain(linesOf(text).pop()?.end?.sha256)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['backup.jsonl'])

    const broken = await lattice.run(CacheExport, '-o', file, '--timeout', '1ms', '--json')
    expect(broken.exitCode).not.toBe(0)
    expect(await readFile(file, 'utf8')).toBe(text)
    expect(await readdir(folder)).toEqual(['backup.jsonl'])
  })

  test('refuses a file that cannot be written, and --json without one', async () => {
    const lattice = await cache.lattice()
    const folder = join(cache.server.dir, `folder-${lattice.name}`)
    await mkdir(folder)
    for (const file of [folder, '/proc/no/such']) {
      const {exitCode, stderr} = await lattice.run(CacheExport, '--output', file)
      expect(exitCode).toBe(2)
      expect(stderr).toContain(`The file "${file}" cannot be written`)
    }
    const {exitCode, json} = await lattice.run(CacheExport, '--json')
    expect(exitCode).toBe(2)
    expect((json() as Failure).error.suggestions).toEqual(['--output backup.jsonl'])
  })

  test('of a lattice without buckets is whole and empty', async () => {
    const lattice = await cache.lattice({buckets: false})
    const lines = linesOf((await lattice.run(CacheExport)).stdout)
    expect(lines).toMatchObject([{export: {buckets: []}}, {end: {count: 0}}])
  })

  test('cannot make a terminal obey', async () => {
    const lattice = await cache.lattice()
    await lattice.data.put('evil', bytes('{"a":"\u202e\u0085","\u009bb":1}'))
    await lattice.data.put('text', bytes('\u001b[2J\u202e'))
    const {stdout} = await lattice.run(CacheExport, '--format', 'yaml')
    expect(printable(stdout)).toBe(true)
    // A file and a pipe get what is stored.
    expect((await lattice.run(CacheExport)).stdout).toContain('{"a":"\u202e\u0085","\u009bb":1}')
  })
})
