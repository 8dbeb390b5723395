import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import fc from 'fast-check'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {readServers} from '../../../src/lib/apply/account-state.js'
import {checkFile, findChecker} from '../../../src/lib/apply/config-check.js'
import {readMappingFile} from '../../../src/lib/apply/config-file.js'
import {predictFile} from '../../../src/lib/apply/config-table.js'
import {renderMappings, UnwritableSubjectError, type FileMappings} from '../../../src/lib/conf/mappings-text.js'
import {readConfig} from '../../../src/lib/conf/read-config.js'
import {LatticeError} from '../../../src/lib/errors.js'
import {request} from '../../../src/lib/nats/request.js'
import {compareTables, type MappingTable} from '../../../src/lib/routing/effective.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {tempFolder} from '../../support/temp.js'

let all: ConfigServers
beforeAll(async () => {
  all = await startConfigServers()
})
afterAll(() => all[Symbol.asyncDispose]())

/** Has the server load a text of mappings; its table, or its reason to refuse. */
async function load(text: string): Promise<MappingTable | string> {
  const {servers} = all
  const system = all.system!
  await writeFile(servers[0]!.mappings, text)
  const [{id} = {id: ''}] = await system.servers()
  const reply = await request(system.connection, `$SYS.REQ.SERVER.${id}.RELOAD`, '', {timeoutMs: 5000})
  const {error} = reply.json<{error?: {description: string}}>()
  if (error !== undefined) return error.description
  const [view] = await readServers({system, account: 'SHOP'})
  return view!.live!.table
}

async function ours(): Promise<FileMappings> {
  const {accounts, problems} = await readConfig(all.mains[0]!)
  expect(problems).toEqual([])
  const {mappings} = accounts.find(({name}) => name === 'SHOP')!
  return new Map(
    mappings.map(({source, destinations}) => [source, destinations.map(({at: _, ...destination}) => destination)]),
  )
}

test.each([
  ['mappings { a: b, "c.*" = "d.$1"; e f\n g: h }'],
  ['mappings: {"a.b": [{"destination": "c", "weight": 10}, {"dest": "d", "weight": "20%"}]}'],
  ['maps {\n  a.*.> [ {dest: b.$1.>, weight: 0}, {dest: c.$1.>, weight: 30} ] // rest\n}'],
  ['W: wide\nmappings { a: $W, b: $W }'],
  ['mappings { x: [ {destination: x, weight: 40}\n {destination: y, weight: 20%} ] }'],
  ['mappings { x: [ {destination: x, weight: 0}, {destination: y, weight: 20} ] }'],
  ['mappings { x: [ {destination: y, weight: 100, cluster: eu} ], z: [] }'],
  ['mappings { x: [ {destination: y, weight: 0, cluster: eu}, {destination: z, weight: 50} ] }'],
  ['mappings { \'it"s\': "it\\"s.\\x41", "do\'nt": a }'],
  ['mappings { "p.*": "q.{{partition(3,1)}}", "t.*.*": "u.$2.$1" }'],
  ['{"mappings": {"j": "k"}}\n'],
])('a server makes of %s what we make of it', async (text) => {
  const live = await load(text)
  expect(live).toBeInstanceOf(Map)
  expect(compareTables(predictFile(await ours()), live as MappingTable)).toEqual([])
  const [varz] = await all.system!.ask('VARZ')
  const {digest} = await readMappingFile(all.mains[0]!, {account: 'SHOP'}).catch(() => ({digest: undefined}))
  const given = (varz!.data as {config_digest: string}).config_digest
  // Variables cannot be kept in our file, so it is not read.
  if (!text.includes('$W')) expect(digest).toBe(given)
})

test('whatever subjects are written, the server loads exactly them', async () => {
  const token = fc
    .string({unit: 'grapheme', minLength: 1, maxLength: 6})
    .map((text) => text.replace(/[\s.*>$\0\p{Cc}\p{Z}{]/gu, 'x'))
  const special = fc.constantFrom(
    '"',
    "'",
    '#a',
    '//',
    ':',
    '=',
    '}',
    '[',
    ']',
    '(',
    'include',
    'true',
    '10',
    '1k',
    ';',
    ',',
    '\\',
    '%',
  )
  const subject = fc.array(fc.oneof(token, special), {minLength: 1, maxLength: 3}).map((tokens) => tokens.join('.'))
  const list = fc.uniqueArray(subject, {minLength: 1, maxLength: 3})
  const table = fc.uniqueArray(fc.tuple(subject, list), {maxLength: 5, selector: ([source]) => source})
  await fc.assert(
    fc.asyncProperty(table, async (entries) => {
      const share = (destinations: readonly string[]): FileMappings extends ReadonlyMap<string, infer L> ? L : never =>
        destinations.map((name, index) => ({subject: `to.${name}`, weight: 20 + index}))
      const mappings: FileMappings = new Map(
        entries.map(([source, destinations]) => [`from.${source}`, share(destinations)]),
      )
      let text: string
      try {
        text = renderMappings(mappings)
      } catch (error) {
        if (error instanceof UnwritableSubjectError) return
        throw error
      }
      const live = await load(text)
      expect(live).toBeInstanceOf(Map)
      expect(compareTables(predictFile(mappings), live as MappingTable)).toEqual([])
    }),
    {numRuns: 80},
  )
})

const texts = [
  'port: 4300',
  'port 4300',
  'port=4300',
  '{"port": 4300}',
  '{port: 4300',
  'port: 4300 }',
  'port: 4300\n}\n',
  'port: [4300',
  'port:\n4300',
  'port\n4300',
  'port: 4300;server_name: x',
  'port: 4300 server_name: x',
  'max_payload: 1MB',
  'max_payload: 1MBB',
  'server_name: "a\\q"',
  'server_name: "a\\x41"',
  "server_name: 'a",
  'server_name: a#b',
  'accounts { A { } ',
  'accounts { A { }, B {} }',
  'accounts {A: {users: []}}',
  'accounts{A{}}',
  'accounts: [A, B]',
  'accounts: [A\nB,]',
  'accounts: [,A]',
  'cluster { name: }',
  'server_name: (\na\n)\n',
  'server_name: (a)',
  'port: -1',
  'port: -',
  'port: .5',
  'port: $NOT_SET_ANYWHERE',
  'server_name: 1.2.3.4',
  'server_name: 2006-01-02T15:04:05Z',
  'server_name: 2006-13-02T15:04:05Z',
  '# only a comment\nport: 1 // and one more',
  'port: 1 / 2',
  '= 4300',
  'port: 4300\n\u00a0server_name: x',
  'include nowhere.conf',
  'include: nowhere',
  'port: 99999999999999999999',
]

test('what is no configuration to us is none to the server', async () => {
  const program = await findChecker()
  expect(program).toBeDefined()
  await using folder = await tempFolder()
  const verdicts = texts.map(async (text, index) => {
    const file = join(folder.path, `${index}.conf`)
    await writeFile(file, text)
    const [check, read] = await Promise.all([
      checkFile(program!, file),
      readConfig(file).then(
        () => true,
        (error: unknown) => {
          expect(error).toBeInstanceOf(LatticeError)
          return false
        },
      ),
    ])
    // The server looks at what the settings mean, too.
    const syntax =
      check.ok ||
      !/arse error|config is invalid|variable reference|include file|out of the range|Zulu/.test(check.reason)
    return {text, read, syntax}
  })
  const found = await Promise.all(verdicts)
  expect(found.filter(({read, syntax}) => read && !syntax)).toEqual([])
  // These it takes and mixes up: the value is lost, and the next one is taken for it.
  const mixedUp = found.filter(({read, syntax}) => !read && syntax).map(({text}) => text)
  expect(mixedUp).toEqual(['max_payload: 1MBB', 'cluster { name: }'])
  expect(found.filter(({read}) => !read).length).toBeGreaterThan(12)
})
