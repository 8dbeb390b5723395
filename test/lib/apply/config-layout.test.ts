import {execFileSync} from 'node:child_process'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {expect, test} from 'vitest'

import {checkFile, findChecker} from '../../../src/lib/apply/config-check.js'
import {readMappingFile} from '../../../src/lib/apply/config-file.js'
import {LatticeError} from '../../../src/lib/errors.js'
import {tempFolder} from '../../support/temp.js'

interface Refused {
  readonly error: LatticeError
  readonly main: string
}

/** Reads the main file of a folder with these files, and expects to be refused. */
async function refusal(folder: string, files: Readonly<Record<string, string>>, account: string): Promise<Refused> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), {recursive: true})
    await writeFile(join(folder, name), text)
  }
  const main = join(folder, 'server.conf')
  const error = await readMappingFile(main, {account}).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof LatticeError)) throw new Error('It was not refused.')
  return {error, main}
}

/** Runs the suggested lines as a person would paste them; the server and we must then take the file. */
async function obey({error, main}: Refused, account: string): Promise<Record<string, unknown>> {
  for (const line of error.suggestions) execFileSync('sh', ['-ec', line])
  const program = await findChecker()
  if (program !== undefined) expect(await checkFile(program, main)).toEqual({ok: true})
  const {mappings} = await readMappingFile(main, {account})
  return Object.fromEntries(mappings)
}

const shop = `port: -1
accounts {
  SHOP: {
    users: [{user: a, password: b}]
  }
  OTHER { users: [{user: c, password: d}] }
}
`

test('a missing include is shown with the line to put in, and the lines do it', async () => {
  await using folder = await tempFolder()
  const refused = await refusal(folder.path, {'server.conf': shop}, 'SHOP')
  expect(refused.error).toMatchObject({
    kind: 'unsafe',
    message: `The account 'SHOP' in '${refused.main}' does not include 'lattice-mappings.conf'.`,
    lines: [`put in right after the brace at ${refused.main}:3:9:`, "  include 'lattice-mappings.conf'"],
  })
  expect(await obey(refused, 'SHOP')).toEqual({})
  expect(await readFile(refused.main, 'utf8')).toContain("  SHOP: {\n    include 'lattice-mappings.conf'\n")
})

test.each([
  ['accounts { SHOP { users: [{user: a, password: b}] }, OTHER {} }\nport: -1\n'],
  ['port: -1\naccounts: {\n  "SHOP": {\n  }\n}'],
  ['{"port": -1, "accounts": {"SHOP": {"users": [{"user": "a", "password": "b"}]}}}'],
])('the line finds its place in %s', async (text) => {
  await using folder = await tempFolder()
  expect(await obey(await refusal(folder.path, {'server.conf': text}, 'SHOP'), 'SHOP')).toEqual({})
})

test('the global account includes it at the top', async () => {
  await using folder = await tempFolder()
  const refused = await refusal(folder.path, {'server.conf': 'port: -1\n'}, '$G')
  expect(refused.error.lines[0]).toBe(`put in at the top level of ${refused.main}:`)
  expect(await obey(refused, '$G')).toEqual({})
})

test('an account of an included file includes it from there', async () => {
  await using folder = await tempFolder()
  const files = {'server.conf': "port: -1\ninclude 'parts/accounts.conf'\n", 'parts/accounts.conf': shop.slice(9)}
  const refused = await refusal(folder.path, files, 'SHOP')
  expect(refused.error.lines[1]).toBe("  include '../lattice-mappings.conf'")
  expect(await obey(refused, 'SHOP')).toEqual({})
})

test('mappings of somebody else are moved by the lines, and stay what they were', async () => {
  await using folder = await tempFolder()
  const block = `    mappings {
      "orders.get": [{destination: "v1.get", weight: 90%}, {destination: "v2.get", weight: 10%}]
      "stock.*": "v2.stock.$1"
    }
`
  const text = shop.replace('    users: [{user: a', `${block}    users: [{user: a`)
  const refused = await refusal(folder.path, {'server.conf': text}, 'SHOP')
  const own = join(folder.path, 'lattice-mappings.conf')
  expect(refused.error).toMatchObject({
    kind: 'unsafe',
    message: `The account 'SHOP' has mappings in '${refused.main}', and a second block would replace them without a word.`,
    lines: [`move ${refused.main}:4-7 into ${own}`, "put in its place: include 'lattice-mappings.conf'"],
  })
  expect(await obey(refused, 'SHOP')).toEqual({
    'orders.get': [
      {subject: 'v1.get', weight: 90},
      {subject: 'v2.get', weight: 10},
    ],
    'stock.*': [{subject: 'v2.stock.$1', weight: 100}],
  })
})

test('a second block beside our include is refused, before it and after it, by either name', async () => {
  await using folder = await tempFolder()
  for (const [before, after] of [
    ['maps {a: b}', ''],
    ['', 'mappings {a: b}'],
    ['', "include 'more.conf'"],
  ] as const) {
    const text = `accounts { SHOP {\n${before}\ninclude lattice-mappings.conf\n${after}\n} }\n`
    const files = {'server.conf': text, 'lattice-mappings.conf': 'mappings {c: d}', 'more.conf': 'mappings {e: f}'}
    const {error} = await refusal(folder.path, files, 'SHOP')
    expect(error).toMatchObject({kind: 'unsafe', details: {rule: 'second-block'}})
  }
})

test.each([
  ['operator: x.jwt', 'unsafe', 'is of a server in operator mode'],
  ['resolver: MEMORY', 'unsafe', 'is of a server in operator mode'],
  ['accounts { OTHER {} }', 'notFound', "has no account 'SHOP'"],
  [
    "accounts { SHOP { include lattice-mappings.conf\n include './lattice-mappings.conf' } }",
    'unsafe',
    'more than once',
  ],
  [
    'accounts { SHOP {} }\naccounts { SHOP { include lattice-mappings.conf\n} }',
    'unsafe',
    'are replaced by later ones',
  ],
  ['accounts { SHOP {', 'usage', 'this brace is never closed'],
  ["accounts { SHOP { include 'nowhere.conf'\n } }", 'usage', "the included file 'nowhere.conf' does not exist"],
  ["include 'server.conf'", 'usage', 'leads back to itself'],
])('%s is refused', async (text, kind, reason) => {
  await using folder = await tempFolder()
  const {error} = await refusal(folder.path, {'server.conf': text}, 'SHOP')
  expect(error.kind).toBe(kind)
  expect(error.message).toContain(reason)
})

test('a variable that only the server has is no hindrance', async () => {
  await using folder = await tempFolder()
  const text = shop
    .replace('password: b', 'password: $NOBODY_SET_THIS')
    .replace('SHOP: {', 'SHOP: {\ninclude lattice-mappings.conf\n')
  await writeFile(join(folder.path, 'server.conf'), text)
  const {facts, digest, text: own} = await readMappingFile(join(folder.path, 'server.conf'), {account: 'SHOP'})
  expect(facts.accounts.map(({name}) => name)).toEqual(['$G', 'SHOP', 'OTHER'])
  expect([digest, own]).toEqual([undefined, undefined])
})
