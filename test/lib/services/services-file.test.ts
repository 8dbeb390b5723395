import {mkdir, readFile, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import fc from 'fast-check'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {z} from 'zod'

import {LatticeError, UsageError} from '../../../src/lib/errors.js'
import {subjectsOverlap} from '../../../src/lib/routing/subject.js'
import {findServices, type ServicesPlace} from '../../../src/lib/services/services-file-find.js'
import {judgeServices} from '../../../src/lib/services/services-file-lint.js'
import {
  isServicesFile,
  readServicesFile,
  servicesSchema,
  type DeclaredService,
  type ReadServices,
} from '../../../src/lib/services/services-file.js'
import {readTemplate} from '../../../src/lib/services/template.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

const head = 'format: lattice-services/1\nservices:\n'
const orders = `${head}  - name: orders\n    sources:\n      orders.get: orders.{v}.get\n`

let folder: TempFolder
let count = 0
beforeAll(async () => {
  folder = await tempFolder()
})
afterAll(() => folder[Symbol.asyncDispose]())

function read(text: string): Promise<ReadServices> {
  return readServicesFile('s.yaml', text)
}

/** What is wrong with a text, the place first; the sentence of the error where it cannot be read at all. */
async function faultsIn(text: string): Promise<string[]> {
  try {
    const found = await read(text)
    const faults = found.kind === 'broken' ? found.faults : judgeServices(found.services)
    return faults.map(({sentence, where}) => `${where ?? ''} ${sentence}`)
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return [(error as UsageError).message]
  }
}

describe('a file of services', () => {
  test('says of each service what commands need, with the line where it stands', async () => {
    const text = `# ours\n${head}  - name: orders
    description: Orders of the shop
    sources:
      orders.get: orders.{v}.get
      orders.*.put: orders.{v:dash}.$1.put
    queue: workers
    incumbent: "1.10"
    lattice: shop
  - name: stock
    sources: {stock.>: "stock.{v}.>"}
`
    expect(await read(text)).toEqual({
      kind: 'services',
      services: [
        {
          name: 'orders',
          description: 'Orders of the shop',
          lattice: 'shop',
          queue: 'workers',
          incumbent: '1.10',
          sources: [
            {source: 'orders.get', template: {text: 'orders.{v}.get', form: 'base64url'}, where: 's.yaml:7'},
            {source: 'orders.*.put', template: {text: 'orders.{v:dash}.$1.put', form: 'dash'}, where: 's.yaml:8'},
          ],
          where: 's.yaml:4',
        },
        {
          name: 'stock',
          lattice: 'default',
          sources: [{source: 'stock.>', template: {text: 'stock.{v}.>', form: 'base64url'}, where: 's.yaml:13'}],
          where: 's.yaml:12',
        },
      ],
    })
  })

  test('is the same in JSON, and with anchors', async () => {
    const services = [{name: 'orders', sources: {'orders.get': 'orders.{v}.get'}}]
    expect(await read(JSON.stringify({format: 'lattice-services/1', services}))).toMatchObject({kind: 'services'})
    const anchored = `${head}  - name: a\n    queue: &q workers\n    sources: {a.get: "a.{v}"}\n  - name: b\n    queue: *q\n    sources: {b.get: "b.{v}"}\n`
    expect(await read(anchored)).toMatchObject({services: [{queue: 'workers'}, {queue: 'workers'}]})
  })

  test('has the schema that is published', async () => {
    const published = JSON.parse(await readFile('schemas/services.schema.json', 'utf8')) as object
    expect(published).toEqual({
      title: 'Services that lattice routes',
      ...z.toJSONSchema(servicesSchema, {io: 'input'}),
    })
  })
})

describe('what is wrong with a file', () => {
  test.each<[string, string, string]>([
    ['an unknown key', orders.replace('name:', 'nme: x\n    name:'), 's.yaml:3 "nme" is not known here.'],
    [
      'no name',
      `${head}  - sources: {a: "b.{v}"}\n`,
      's.yaml:3 "name" is missing: a name is a text; write it in quotes.',
    ],
    [
      'a name that is a number',
      orders.replace('name: orders', 'name: 7'),
      's.yaml:3 "name": a name is a text; write it in quotes.',
    ],
    [
      'a name with a dot',
      orders.replace('name: orders', 'name: a.b'),
      's.yaml:3 "name": a name is made of letters, digits, - and _, at most 128 of them.',
    ],
    ['no sources', `${head}  - name: a\n    sources: {}\n`, 's.yaml:4 "sources": a service has at least one source.'],
    [
      'sources in a list',
      `${head}  - name: a\n    sources: [a.get]\n`,
      's.yaml:4 "sources": sources are written as SUBJECT: TEMPLATE, such as orders.get: orders.{v}.get.',
    ],
    [
      'a version that is a number',
      `${orders}    incumbent: 1.10\n`,
      's.yaml:6 "incumbent": a version is a text; write it in quotes.',
    ],
    [
      'a version with white space',
      `${orders}    incumbent: "1 0"\n`,
      's.yaml:6 "incumbent": a version is a printable text without white space, at most 128 characters.',
    ],
    ['another format', orders.replace('/1', '/2'), 's.yaml:1 "format": the format is lattice-services/1.'],
    ['no list', 'format: lattice-services/1\nservices: orders\n', 's.yaml:2 "services": services is a list.'],
    ['no service', 'format: lattice-services/1\nservices: []\n', 's.yaml:2 "services": it declares no service.'],
    [
      'a key twice',
      `${orders}      orders.get: x.{v}\n`,
      's.yaml:6: the file is neither JSON nor YAML: duplicate key.',
    ],
    [
      'a key twice in JSON',
      '{"format":"lattice-services/1","format":"lattice-services/1","services":[]}',
      's.yaml "format" stands there twice.',
    ],
    ['no YAML', `${head}  - name: [\n`, 's.yaml:4: the file is neither JSON nor YAML: '],
    ['a tag', `${head}  - !!js/function "x"\n`, 's.yaml:3: the file is neither JSON nor YAML: tag resolve failed.'],
    [
      'an alias to nothing',
      `${head}  - *x\n`,
      's.yaml: the file is neither JSON nor YAML: an alias stands for nothing.',
    ],
    [
      'a billion laughs',
      `${head}  - &a [x,x,x,x,x,x,x,x,x,x]\n${Array.from('bcdefghij')
        .map((name, index) => `  - &${name} [${`*${'abcdefghi'[index]!},`.repeat(10)}]\n`)
        .join('')}`,
      's.yaml: the file is neither JSON nor YAML: its aliases stand for too much.',
    ],
    ['a deep nest', `${head}  - ${'['.repeat(200)}`, 's.yaml: the file is nested too deep.'],
    ['a long text', `${orders}${'#'.repeat(300_000)}`, 's.yaml: a file of services has at most 100000 characters.'],
    [
      "another program's file",
      'services:\n  web: {image: nginx}\n',
      "The file 's.yaml' is no file of services: it does not say 'format: lattice-services/1'.",
    ],
    [
      'a protected source',
      orders.replace('orders.get:', '_INBOX.>:'),
      `s.yaml:5 "_INBOX.>" cannot be a source: it would catch '_INBOX.>', which NATS itself needs.`,
    ],
    [
      'a source that is no subject',
      orders.replace('orders.get:', 'orders..get:'),
      `s.yaml:5 "orders..get" cannot be a source: a subject is made of tokens between dots, without white space, and > may only be the last.`,
    ],
    [
      'a template without a version',
      orders.replace('{v}', 'v1'),
      `s.yaml:5 "orders.v1.get" is no template of 'orders.get': it has no {v} where the version stands.`,
    ],
    [
      'a name twice',
      `${orders}  - name: orders\n    sources: {other.get: "other.{v}"}\n`,
      "s.yaml:6 The service 'orders' is declared twice in lattice 'default', first at s.yaml:3.",
    ],
    [
      'overlapping sources',
      `${orders}  - name: all\n    sources: {orders.*: "all.{v}.$1"}\n`,
      "s.yaml:7 The source 'orders.*' overlaps 'orders.get' of 'orders' at s.yaml:5.",
    ],
    [
      'a template that another source catches',
      `${orders}  - name: all\n    sources: {orders.*.*: "all.{v}.$1.$2"}\n`,
      "s.yaml:5 The template 'orders.{v}.get' can give subjects that 'orders.*.*' catches, the source of 'all' at s.yaml:7.",
    ],
    [
      'a template that its own source catches',
      `${head}  - name: a\n    sources: {a.>: "a.{v}.>"}\n`,
      "s.yaml:4 The template 'a.{v}.>' can give subjects that 'a.>' catches, its own source.",
    ],
    [
      'two services on one address',
      `${orders}  - name: b\n    sources: {b.get: "orders.{v}.get"}\n`,
      "s.yaml:7 The template 'orders.{v}.get' can give the same subject as 'orders.{v}.get' of 'orders' at s.yaml:5.",
    ],
  ])('%s is told with its line', async (_what, text, sentence) => {
    const faults = await faultsIn(text)
    expect(
      faults.some((fault) => fault.startsWith(sentence)),
      faults.join('\n'),
    ).toBe(true)
  })

  test('is each source that overlaps one before it', () => {
    const token = fc.constantFrom('a', 'b', '*')
    const sources = fc
      .tuple(fc.constantFrom('a', 'b'), fc.array(token, {maxLength: 2}), fc.constantFrom([], ['>']))
      .map(([first, rest, tail]) => [first, ...rest, ...tail].join('.'))
    fc.assert(
      fc.property(fc.uniqueArray(sources, {maxLength: 8}), (all) => {
        const services = all.map((source, index): DeclaredService => {
          let wildcards = 0
          const tokens = source.split('.').map((each) => (each === '*' ? `$${++wildcards}` : each))
          const template = readTemplate(`leg${index}.{v}.${tokens.join('.')}`)
          return {name: `s${index}`, lattice: 'default', where: '', sources: [{source, template, where: ''}]}
        })
        const found = judgeServices(services).map(({rule, source}) => `${rule} ${source ?? ''}`)
        const overlapping = all.filter((one, index) => all.slice(0, index).some((other) => subjectsOverlap(one, other)))
        expect(found).toEqual(overlapping.map((source) => `overlap ${source}`))
      }),
    )
  })

  test('is told within a moment of thousands of sources', async () => {
    const lines = Array.from({length: 3500}, (_, index) => `      s${index}.a: t${index}.{v}\n`)
    const services = Array.from({length: 50}, (_, index) => {
      const own = lines.slice(index * 70, index * 70 + 70).join('')
      return `  - name: n${index}\n    sources:\n${own}`
    })
    const started = performance.now()
    expect(await faultsIn(`${head}${services.join('')}`)).toEqual([])
    expect(performance.now() - started).toBeLessThan(5000)
  })

  test.each(['\n', ' ', '- ', '? ', 'a: ', '[', '{,', '"', '&a ', '!x ', '# ', '\t', '---\n', '- &a x\n- *a\n'])(
    'is told at once, however often %j stands there',
    async (piece) => {
      const started = performance.now()
      await faultsIn(`${head}${piece.repeat(95_000 / piece.length)}`)
      expect(isServicesFile(piece.repeat(95_000 / piece.length))).toBe(false)
      expect(performance.now() - started).toBeLessThan(5000)
    },
  )

  test('is always a sentence, whatever the bytes', async () => {
    const piece = fc.constantFrom(
      ...[
        'format: lattice-services/1\n',
        'services:\n',
        '  - name: orders\n',
        '    sources:\n',
        '      a.b: "a.{v}"\n',
      ],
      ...[
        '&a',
        '*a',
        '<<: *a\n',
        '!!binary',
        '? ',
        '- ',
        '[',
        '{',
        '}',
        ']',
        ': ',
        '|\n',
        '"',
        "'",
        '\t',
        '\u0000',
        '\ud800',
      ],
      ...[
        '__proto__: 1\n',
        'constructor',
        '---\n',
        '...\n',
        '%YAML 9.9\n',
        '1e999',
        '.nan',
        '2026-01-01',
        '#',
        '\u202e',
      ],
    )
    const texts = fc.oneof(
      fc.array(piece, {maxLength: 30}).map((parts) => `format: lattice-services/1\n${parts.join('')}`),
      fc.tuple(fc.nat(orders.length), fc.string()).map(([at, text]) => orders.slice(0, at) + text + orders.slice(at)),
    )
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        for (const fault of await faultsIn(text)) expect(fault).toMatch(/^[^\u0000-\u001f\u202e]+\.$/)
      }),
      {numRuns: 500},
    )
  })
})

/** A repository with this file in its root, and a folder in it. */
async function repository(text?: string): Promise<{readonly root: string; readonly inside: string}> {
  const root = join(folder.path, `repo-${++count}`)
  const inside = join(root, 'deep', 'inside')
  await mkdir(inside, {recursive: true})
  await mkdir(join(root, '.git'))
  if (text !== undefined) await writeFile(join(root, 'services.yaml'), text)
  return {root, inside}
}

describe('the file that a command uses', () => {
  test('is in the root of the repository, however deep one is, and no further up', async () => {
    const {inside, root} = await repository(orders)
    expect(await findServices({from: inside})).toMatchObject({
      file: '../../services.yaml',
      found: true,
      services: [{name: 'orders'}],
    })
    expect(await findServices({from: root})).toMatchObject({file: 'services.yaml', found: true})
    const nested = join(inside, 'other')
    await mkdir(nested)
    await writeFile(join(nested, '.git'), 'gitdir: elsewhere\n')
    expect(await findServices({from: nested})).toBe(undefined)
  })

  test('is the one that was named, wherever that is', async () => {
    const {inside} = await repository(orders)
    const named = join(inside, 'mine.json')
    await writeFile(
      named,
      JSON.stringify({format: 'lattice-services/1', services: [{name: 'a', sources: {a: 'a.{v}'}}]}),
    )
    expect(await findServices({named, from: inside})).toMatchObject({
      file: named,
      found: false,
      services: [{name: 'a'}],
    })
  })

  test.each<[string, string, boolean]>([
    ["another program's", 'services:\n  web: {image: nginx}\n', false],
    ['no YAML of anybody', '\u0000[[[', false],
    ['ours and broken', orders.replace('name', 'nme'), true],
    ['ours of a later form', orders.replace('/1', '/9'), true],
    ['ours and no YAML', `${orders}  [`, true],
    ['ours with a rule broken', orders.replace('{v}', 'v1'), true],
  ])('that was found and is %s', async (_what, text, broken) => {
    const {root} = await repository(text)
    const finding = findServices({from: root})
    await (broken ? expect(finding).rejects.toThrow(/^services\.yaml:\d/) : expect(finding).resolves.toBe(undefined))
  })

  test.each<[string, (root: string) => ServicesPlace, string]>([
    ["another program's", (root) => ({named: join(root, 'services.yaml'), from: root}), 'is no file of services'],
    ['not there', (root) => ({named: join(root, 'none.yaml'), from: root}), 'No file of services'],
    ['a folder', (root) => ({named: root, from: root}), 'is no file of services'],
    ['a link in a circle', (root) => ({named: join(root, 'circle'), from: root}), 'No file of services'],
  ])('that was named and is %s is refused', async (_what, place, sentence) => {
    const {root} = await repository('services: {}\n')
    await symlink('circle', join(root, 'circle'))
    const failure = await findServices(place(root)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(LatticeError)
    expect((failure as Error).message).toContain(sentence)
  })
})
