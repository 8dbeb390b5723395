import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {LatticeError} from '../../../src/lib/errors.js'
import {createKey, type SigningKey} from '../../../src/lib/keys/nkey.js'
import {encodeToken, type JsonObject} from '../../../src/lib/keys/token.js'
import {lintText, type LintFileOptions} from '../../../src/lib/lint/file.js'
import type {LintTarget} from '../../../src/lib/routing/lint-report.js'
import {renderClaims} from '../../../src/lib/routing/render-claims.js'
import {planNsc, renderNsc} from '../../../src/lib/routing/render-nsc.js'
import {renderJson, renderYaml} from '../../../src/lib/routing/render-plans.js'
import {ruleBook, type RuleName} from '../../../src/lib/routing/rule-book.js'

const now = Date.parse('2026-11-21T12:00:00Z')
const operator = createKey('O')
const account = createKey('A')

interface Entry {
  readonly subject?: unknown
  readonly weight?: unknown
  readonly cluster?: unknown
}
type Mappings = Readonly<Record<string, readonly Entry[]>>

const good: Mappings = {
  'orders.get': [
    {subject: 'v1.orders.get', weight: 90},
    {subject: 'v2.orders.get', weight: 10},
  ],
  'stock.*.>': [{subject: 'v3.stock.$1.>', weight: 100}],
  'geo.find': [
    {subject: 'v1.geo.find', weight: 100},
    {subject: 'eu.geo.find', weight: 100, cluster: 'eu'},
  ],
}

function tokenOf(nats: JsonObject, claims: JsonObject = {}, key: SigningKey = operator): string {
  const payload = {iss: key.publicKey, sub: account.publicKey, name: 'SHOP', iat: now / 1000 - 60, ...claims}
  return encodeToken({typ: 'JWT', alg: 'ed25519-nkey'}, {...payload, nats: {type: 'account', version: 2, ...nats}}, key)
}

/** As an account of a configuration; a weight is written as it is. */
function configOf(mappings: Mappings): string {
  const entries = Object.entries(mappings).map(([source, list]) => {
    const items = list.map(({subject, weight, cluster}) => {
      const fields = Object.entries({destination: subject, weight, cluster}).filter(([, value]) => value !== undefined)
      return `{${fields.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', ')}}`
    })
    return `      ${JSON.stringify(source)}: [${items.join(', ')}]`
  })
  return ['accounts {', '  SHOP {', '    mappings {', ...entries, '    }', '  }', '}', ''].join('\n')
}

const forms: Readonly<Record<string, (mappings: Mappings) => string>> = {
  config: configOf,
  token: (mappings) => tokenOf({mappings}),
  claims: (mappings) => JSON.stringify({nats: {mappings}}),
}

async function rulesIn(text: string, options: Partial<LintFileOptions> = {}): Promise<string[]> {
  const targets = await lintText('file', text, {now, ...options})
  return findingsIn(targets).map(({level, rule}) => `${level} ${rule}`)
}

function findingsIn(targets: readonly LintTarget[]): LintTarget['findings'] {
  return targets.flatMap(({findings}) => findings)
}

/** What the good mappings become, and what is found then; where it differs, by form. */
interface Defect {
  readonly name: string
  readonly mappings: Mappings
  readonly serverVersion?: string
  readonly found: `${'refuse' | 'warn'} ${RuleName}` | Readonly<Record<string, string | undefined>>
}

const one = (subject: unknown, weight: unknown = 100): Entry => ({subject, weight})
const source = (name: string, ...entries: readonly Entry[]): Mappings => ({...good, [name]: entries})

const defects: readonly Defect[] = [
  // Rule 1: subjects.
  {name: 'an empty token in the source', mappings: source('a..b', one('c')), found: 'refuse subject'},
  {name: 'a space in the source', mappings: source('a b', one('c')), found: 'refuse subject'},
  {name: 'a > within the source', mappings: source('a.>.b', one('c')), found: 'refuse subject'},
  {name: 'an empty destination', mappings: source('a', one('')), found: 'refuse empty-destination'},
  {name: 'a space in a destination', mappings: source('a', one('b c')), found: 'refuse subject'},
  {name: 'a dot at the end of a destination', mappings: source('a', one('b.')), found: 'refuse subject'},
  {name: 'a * in a destination', mappings: source('a.*', one('b.*')), found: 'refuse destination-wildcard'},
  {name: 'a > on one side only', mappings: source('a.>', one('b')), found: 'refuse tail-wildcard'},
  {name: 'a > on the other side only', mappings: source('a', one('b.>')), found: 'refuse tail-wildcard'},
  {
    name: 'a > in a destination of a token for old servers',
    mappings: {'a.>': [one('b.>')]},
    serverVersion: '2.9.10',
    found: {config: undefined, token: 'refuse jwt-tail-wildcard', claims: 'refuse jwt-tail-wildcard'},
  },
  // Rule 2: wildcards and functions.
  {name: 'a wildcard that is not there', mappings: source('a.*', one('b.$1.$2')), found: 'refuse wildcard-index'},
  {name: 'a wildcard of a literal source', mappings: source('a', one('b.$1')), found: 'refuse wildcard-index'},
  {name: 'wildcard zero', mappings: source('a.*', one('b.$1.{{wildcard(0)}}')), found: 'refuse wildcard-index'},
  {name: 'a wildcard dropped', mappings: source('a.*.*', one('b.$2')), found: 'warn unused-wildcard'},
  {
    name: 'a wildcard dropped on old servers',
    mappings: source('a.*.*', one('b.$2')),
    serverVersion: '2.9.10',
    found: 'refuse unused-wildcard',
  },
  {name: 'a wildcard used twice', mappings: source('a.*', one('b.$1.$1')), found: 'warn repeated-wildcard'},
  {name: 'an unknown function', mappings: source('a.*', one('b.$1.{{shard(3,1)}}')), found: 'refuse function'},
  {
    name: 'a function without arguments',
    mappings: source('a.*', one('b.$1.{{partition()}}')),
    found: 'refuse function',
  },
  {name: 'half a function', mappings: source('a.*', one('b.$1.x{{wildcard(1)}}')), found: 'warn function'},
  {
    name: 'random on servers that do not know it',
    mappings: source('a', one('b.{{random(3)}}')),
    serverVersion: '2.11.4',
    found: 'refuse function-version',
  },
  {
    name: 'left on servers that do not know it',
    mappings: source('a.*', one('b.{{left(1,3)}}')),
    serverVersion: '2.9.25',
    found: 'refuse function-version',
  },
  {
    name: 'a partition of the whole subject on servers that cannot',
    mappings: source('a.*', one('b.$1.{{partition(10)}}')),
    serverVersion: '2.11.4',
    found: 'refuse function-version',
  },
  // Rule 3: weights.
  {
    name: 'a weight above 100',
    mappings: source('a', one('b', 101)),
    found: {config: 'refuse shape', token: 'refuse weight', claims: 'refuse weight'},
  },
  {
    name: 'a negative weight',
    mappings: source('a', one('b', -1)),
    found: {config: 'refuse shape', token: 'refuse weight', claims: 'refuse weight'},
  },
  {
    name: 'a fraction',
    mappings: source('a', one('b', 12.5)),
    found: {config: 'refuse shape', token: 'refuse weight', claims: 'refuse weight'},
  },
  {
    name: 'a weight with a sign for percent',
    mappings: source('a', one('b', '50%'), one('c', '50%')),
    found: {config: undefined, token: 'refuse weight', claims: 'refuse weight'},
  },
  {
    name: 'no weight',
    mappings: source('a', {subject: 'b'}, {subject: 'c', weight: 1}),
    found: {config: 'refuse shape', token: 'refuse weight-zero', claims: 'refuse weight-zero'},
  },
  {
    name: 'a weight of 0',
    mappings: source('a', one('b', 100), one('c', 0)),
    found: {config: 'warn weight-zero', token: 'refuse weight-zero', claims: 'refuse weight-zero'},
  },
  {name: 'a sum above 100', mappings: source('a', one('b', 60), one('c', 50)), found: 'refuse sum'},
  {
    name: 'a sum above 100 in a cluster',
    mappings: source('a', one('b'), {...one('c', 60), cluster: 'x'}, {...one('d', 60), cluster: 'x'}),
    found: 'refuse sum',
  },
  {
    name: 'a sum over all clusters on old servers',
    mappings: good,
    serverVersion: '2.9.25',
    found: 'refuse cluster-sum',
  },
  // Rule 4: rests.
  {name: 'a sum below 100', mappings: source('a', one('b', 40)), found: 'warn rest'},
  {name: 'a loss', mappings: source('a', one('b', 40), one('a', 20)), found: 'warn loss'},
  {name: 'a loss that wildcards undo', mappings: source('a.*', one('b.$1', 40), one('a.$1', 20)), found: 'warn rest'},
  // Rule 5: duplicates.
  {name: 'a destination twice', mappings: source('a', one('b', 40), one('b', 60)), found: 'refuse duplicate'},
  {
    name: 'a destination twice in other clusters',
    mappings: source('a', one('b'), {...one('b'), cluster: 'x'}),
    found: 'refuse duplicate',
  },
  // Rule 6: overlaps and chains.
  {name: 'a wider source', mappings: source('orders.*', one('v9.orders.$1')), found: 'refuse overlap'},
  {name: 'a source that shares subjects', mappings: source('*.a.b', one('v9.$1')), found: 'refuse overlap'},
  {name: 'a destination that is mapped on', mappings: source('a', one('orders.get')), found: 'refuse chained'},
  {name: 'a destination that a wildcard maps on', mappings: source('a.*', one('stock.x.$1')), found: 'refuse chained'},
  {name: 'a destination within its own source', mappings: source('a.>', one('a.v1.>')), found: 'warn own-destination'},
  {name: 'a mapping to itself', mappings: source('a', one('a')), found: 'warn no-op'},
  // Rule 7: what NATS needs.
  ...['_INBOX.x', '$SYS.REQ.x', '$JS.API.x', '$KV.b.k', '$O.x', '$SRV.INFO', '_R_.x'].map((name): Defect => ({
    name,
    mappings: source(name, one('b')),
    found: 'refuse protected-source',
  })),
  {
    name: 'a destination that is obeyed',
    mappings: source('a', one('$JS.API.STREAM.PURGE.S')),
    found: 'warn protected-destination',
  },
  // Rule 9: sizes.
  {name: 'many mappings', mappings: many(200), found: 'warn many-mappings'},
  {name: 'too many mappings', mappings: many(1000), found: 'refuse too-many-mappings'},
]

function many(count: number): Mappings {
  return {
    ...good,
    ...Object.fromEntries(Array.from({length: count}, (_, index) => [`s.${index}`, [one(`t.${index}`)]])),
  }
}

describe('a defect is found wherever it stands', () => {
  test.each(Object.keys(forms))('a good %s has none', async (form) => {
    expect(await rulesIn(forms[form]!(good), {serverVersion: '2.10.0'})).toEqual([])
  })

  const cases = Object.keys(forms).flatMap((form) => defects.map((defect) => [defect.name, form, defect] as const))
  test.each(cases)('%s, in %s', async (_name, form, {mappings, serverVersion, found}) => {
    const expected = typeof found === 'string' ? found : found[form]
    const rules = await rulesIn(forms[form]!(mappings), {serverVersion: serverVersion ?? '2.15.2'})
    if (expected === undefined) expect(rules).toEqual([])
    else expect(rules).toContain(expected)
  })

  test('where versions are unknown, what only old ones refuse is a warning', async () => {
    expect(await rulesIn(configOf(good))).toEqual(['warn cluster-sum'])
    expect(await rulesIn(configOf(source('a', one('b.{{random(3)}}'))))).toContain('warn function-version')
  })

  test('every finding has its rule, a sentence, why and fix', async () => {
    for (const {mappings} of defects) {
      for (const found of findingsIn(await lintText('file', configOf(mappings), {now}))) {
        expect(found.sentence).toMatch(/^[^]+\.$/)
        expect(found).toMatchObject(ruleBook[found.rule as RuleName])
      }
    }
  })
})

test('a variable that is set for the server alone keeps nothing from being judged', async () => {
  const text = 'accounts { SHOP { users: [{user: a, password: $NOT_SET_HERE}], mappings { a.b: c, a.*: d.$1 } } }'
  expect(await rulesIn(text)).toEqual(['warn unset-variable', 'refuse overlap', 'refuse overlap'])
})

describe('what only one form can get wrong', () => {
  test.each<[string, string, string]>([
    [
      'a source twice',
      '{"nats":{"mappings":{"a":[{"subject":"b"}],"a":[{"subject":"c"}]}}}',
      'refuse duplicate-source',
    ],
    ['mappings twice', '{"nats":{"mappings":{},"mappings":{}}}', 'refuse second-block'],
    ['a key twice', '{"nats":{"mappings":{"a":[{"subject":"b","subject":"c"}]}}}', 'refuse shape'],
    ['mappings that are a list', '{"nats":{"mappings":[]}}', 'refuse shape'],
    ['a destination alone', '{"nats":{"mappings":{"a":"b"}}}', 'refuse shape'],
    ['the word of configurations', '{"nats":{"mappings":{"a":[{"destination":"b"}]}}}', 'refuse shape'],
    ['a cluster that is a number', '{"nats":{"mappings":{"a":[{"subject":"b","cluster":1}]}}}', 'refuse shape'],
    ['a weight as a power', '{"nats":{"mappings":{"a":[{"subject":"b","weight":1e2}]}}}', 'refuse weight'],
    ['a source twice', 'mappings { a: b, a: c }', 'refuse duplicate-source'],
    ['two blocks', 'accounts { A { mappings { a: b }, mappings { c: d } } }', 'refuse second-block'],
    ['two blocks of two names', 'accounts { A { mappings { a: b }, maps { c: d } } }', 'refuse second-block'],
    ['the word of tokens', 'mappings { a: [{subject: b, weight: 100}] }', 'refuse shape'],
    ['a number for a destination', 'mappings { a: 7 }', 'refuse shape'],
  ])('%s', async (_name, text, expected) => {
    expect(await rulesIn(text)).toContain(expected)
  })

  const second = now / 1000
  test.each<[string, string, string]>([
    ['a token that ended', tokenOf({mappings: good}, {exp: second - 1}), 'refuse expired'],
    ['a token of the future', tokenOf({mappings: good}, {iat: second + 3600}), 'warn issued-ahead'],
    ['a token signed by its account', tokenOf({mappings: good}, {}, account), 'refuse bad-signature'],
    ['a token with another name in it', tokenOf({}, {iss: createKey('O').publicKey}), 'refuse bad-signature'],
    [
      'a token that exports',
      tokenOf({mappings: good, exports: [{type: 'service', subject: 'orders.get'}]}),
      'warn exporter',
    ],
    ['a token of a megabyte', tokenOf({info: 'x'.repeat(2 ** 20)}), 'refuse token-size'],
    ['a token of nearly that', tokenOf({info: 'x'.repeat(640_000)}), 'warn token-size'],
  ])('%s', async (_name, text, expected) => {
    expect(await rulesIn(text)).toContain(expected)
  })

  test('a token that is not that of an account cannot be read', async () => {
    const user = encodeToken({typ: 'JWT'}, {iss: account.publicKey, sub: createKey('U').publicKey, nats: {}}, account)
    await expect(rulesIn(user)).rejects.toThrow("The token in 'file' is not that of an account.")
  })

  test('a token between the lines of nsc is found', async () => {
    const text = `-----BEGIN NATS ACCOUNT JWT-----\n${tokenOf({mappings: good})}\n------END NATS ACCOUNT JWT------\n`
    expect(await lintText('file', text, {now, serverVersion: '2.10.0'})).toEqual([
      {input: 'file', form: 'jwt', account: 'SHOP', mappings: 3, findings: []},
    ])
  })
})

describe('secrets', () => {
  const {seed} = createKey('U')
  test.each([
    [
      'credentials',
      `-----BEGIN NATS USER JWT-----\n${tokenOf({}).replace('eyJ', 'x')}\n-----BEGIN USER NKEY SEED-----\n${seed}\n`,
    ],
    ['a seed', seed],
    ['a seed within', `mappings { a: ${seed} `],
  ])('are not told where %s cannot be read', async (_name, text) => {
    const failure: unknown = await lintText('file', text, {now}).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      kind: 'usage',
      message: "The file 'file' holds a secret key and cannot be read as mappings.",
    })
    expect(JSON.stringify(failure)).not.toContain(seed)
  })
})

describe('forms of ours', () => {
  const plans = [
    {
      source: 'a',
      destinations: [
        {subject: 'b', weight: 60},
        {subject: 'c', weight: 20},
      ],
    },
  ]
  const nsc = renderNsc(planNsc([{source: 'a', present: undefined, wanted: plans[0]!.destinations}]), 'SHOP')

  test('are told from their text', async () => {
    for (const [text, form] of [
      [renderClaims(plans), 'claims'],
      [nsc, 'nsc'],
      [renderJson(plans), 'plan'],
      [await renderYaml(plans), 'plan'],
      [configOf({a: [one('b', 60), one('c', 20)]}), 'config'],
      [JSON.stringify({format: 'lattice-route-plan/1', routes: [{mappings: plans}, {mappings: []}]}), 'plan'],
    ] as const) {
      expect(await lintText('file', text, {now})).toMatchObject([{form, mappings: 1, findings: [{rule: 'rest'}]}])
    }
  })
})

describe('anything else', () => {
  test('is refused with a sentence, or judged', async () => {
    const pieces = fc.constantFrom(
      ...[
        'mappings',
        'accounts',
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '\n',
        '"',
        "'",
        '$1',
        '>',
        '*',
        'nats',
        '"nats":',
        '#',
        '//',
      ],
      ...[
        'nsc add mapping',
        '-f',
        '-t',
        '--weight',
        '--cluster',
        'eyJ',
        '.',
        '\0',
        '\u001b[31m',
        '\u202e',
        '{{',
        '}}',
        '%',
        'include',
      ],
      ...[
        'mappings:\n  - source: a',
        '<<: *x',
        '&x',
        '__proto__',
        '1e999',
        '-0',
        '\\',
        '$(id)',
        '`',
        'destination: b',
        'weight: 100',
      ],
    )
    const texts = fc.oneof(
      fc
        .array(fc.oneof(pieces, fc.string({maxLength: 6, unit: 'binary'})), {maxLength: 24})
        .map((parts) => parts.join(' ')),
      fc.array(pieces, {maxLength: 12}).map((parts) => `{"nats":{"mappings":{${parts.join('')}}}}`),
      fc.json().map((json) => `{"nats":{"mappings":{"a":${json}}}}`),
      fc.json().map((json) => `mappings: ${json}`),
      fc.json().map((json) => tokenOf({mappings: JSON.parse(json) as unknown})),
      fc.string().map((text) => `eyJ.${Buffer.from(text).toString('base64url')}.x`),
      fc.array(pieces, {maxLength: 8}).map((parts) => `nsc add mapping ${parts.join(' ')}`),
    )
    await fc.assert(
      fc.asyncProperty(texts, fc.constantFrom(undefined, 'config', 'jwt', 'nsc', 'plan'), async (text, fileForm) => {
        const failure = await lintText('file', text, {now, fileForm}).then(
          () => undefined,
          (error: unknown) => error,
        )
        if (failure === undefined) return
        expect(failure).toBeInstanceOf(LatticeError)
        expect((failure as Error).message).toMatch(/\.$/)
        expect(failure).toMatchObject({kind: 'usage'})
      }),
      {numRuns: 2000},
    )
  })
})
