import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import type {ConfigFacts} from '../../../src/lib/conf/facts.js'
import {readConfig} from '../../../src/lib/conf/read-config.js'
import {tempFolder} from '../../support/temp.js'

/** Reads the first of some files; paths are those in the folder. */
async function factsOf(
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<ConfigFacts> {
  await using folder = await tempFolder()
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder.path, name, '..'), {recursive: true})
    await writeFile(join(folder.path, name), text)
  }
  const facts = await readConfig(join(folder.path, Object.keys(files)[0]!), env)
  return JSON.parse(JSON.stringify(facts).replaceAll(`${folder.path}/`, '')) as ConfigFacts
}

test('a whole configuration is told with its places', async () => {
  const facts = await factsOf({
    'server.conf': `server_name: S0 # a comment
listen: "127.0.0.1:4223"; http: 8222
pid_file = '/run/nats.pid'
cluster { name: east }
gateway { name: world }
system_account: SYS
include parts/accounts.conf
`,
    'parts/accounts.conf': `ORDERS: "orders.>"
accounts {
  SHOP {
    default_permissions { publish: { deny: "$SYS.>" } }
    users: [
      {user: a, password: secret, permissions: {pub: $ORDERS, sub: {allow: ["_INBOX.>"], deny: [x]}, allow_responses: true}}
      {nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}
    ]
    include 'shop-mappings.conf'
    imports: [{service: {account: BILL, subject: pay}, to: bill.pay}, {stream: {account: BILL, subject: "news.>"}, prefix: b}]
  }
  BILL { exports: [{service: pay, accounts: [SHOP]}, {stream: "news.>"}] }
  SYS { users: [{user: sys, password: sys}] }
}
`,
    'parts/shop-mappings.conf':
      'mappings {\n  "orders.get": [{dest: v1, weight: 90%}, {destination: v2, weight: 10, cluster: eu}]\n}\n',
  })
  expect(facts).toMatchObject({
    file: 'server.conf',
    files: ['server.conf', 'parts/accounts.conf', 'parts/shop-mappings.conf'],
    includes: [
      {path: 'parts/accounts.conf', at: {line: 7, column: 1}, within: []},
      {path: 'shop-mappings.conf', at: {file: 'parts/accounts.conf', line: 9, column: 5}, within: ['accounts', 'SHOP']},
    ],
    serverName: 'S0',
    listen: {host: '127.0.0.1', port: 4223},
    monitor: {port: 8222, tls: false},
    pidFile: '/run/nats.pid',
    cluster: 'east',
    gateway: 'world',
    systemAccount: 'SYS',
    operatorMode: false,
    problems: [],
  })
  expect(facts.accounts.map(({name}) => name)).toEqual(['$G', 'SHOP', 'BILL', 'SYS'])
  expect(facts.accounts[1]).toMatchObject({
    at: {file: 'parts/accounts.conf', line: 3, column: 3},
    blocks: [{key: 'mappings', at: {line: 1, column: 1}, until: {line: 3, column: 1}, counts: true, alone: true}],
    mappings: [
      {
        source: 'orders.get',
        at: {file: 'parts/shop-mappings.conf', line: 2, column: 3},
        destinations: [
          {subject: 'v1', weight: 90},
          {subject: 'v2', weight: 10, cluster: 'eu'},
        ],
      },
    ],
    users: [
      {
        name: 'a',
        permissions: {
          publish: {allow: ['orders.>']},
          subscribe: {allow: ['_INBOX.>'], deny: ['x']},
          responses: true,
        },
      },
      {name: /^UC6N/, permissions: {publish: {deny: ['$SYS.>']}}},
    ].map((user) =>
      typeof user.name === 'string' ? user : {...user, name: expect.stringMatching(user.name) as string},
    ),
    imports: [
      {kind: 'service', account: 'BILL', subject: 'pay', to: 'bill.pay'},
      {kind: 'stream', account: 'BILL', subject: 'news.>', prefix: 'b'},
    ],
  })
  expect(facts.accounts[2]?.exports).toMatchObject([
    {kind: 'service', subject: 'pay', accounts: ['SHOP']},
    {kind: 'stream', subject: 'news.>'},
  ])
  expect(JSON.stringify(facts)).not.toContain('secret')
})

test('the top level is the global account, with the users of its authorization', async () => {
  const facts = await factsOf({
    'a.conf': `maps = { "a.*": "b.$1" }
authorization { users = [ {user: x, pass: y} ], default_permissions { subscribe: "a.>" } }`,
  })
  expect(facts.listen).toEqual({port: 4222})
  expect(facts.accounts).toMatchObject([
    {
      name: '$G',
      mappings: [{source: 'a.*', destinations: [{subject: 'b.$1', weight: 100}]}],
      users: [{name: 'x', permissions: {subscribe: {allow: ['a.>']}}}],
    },
  ])
})

test('of two blocks of one account the later counts, and both are told', async () => {
  const {accounts} = await factsOf({'a.conf': 'accounts { A { mappings {a: b}\n mappings {c: d} } }'})
  expect(accounts[1]?.blocks.map(({counts, at}) => [at.line, counts])).toEqual([
    [1, false],
    [2, true],
  ])
  expect(accounts[1]?.mappings.map(({source}) => source)).toEqual(['c'])
})

test('variables are looked up inside out, then in the environment, and an included file knows none of them', async () => {
  const text = 'V: outer\naccounts { A { V: inner, mappings { a: $V, b: $E, c: "$V" } } }\nmappings { a: $V }'
  const {accounts} = await factsOf({'a.conf': text}, {E: '{dest: e, weight: 5%}'})
  expect(accounts.map(({mappings}) => mappings.map(({destinations}) => destinations[0]?.subject))).toEqual([
    ['outer'],
    ['inner', 'e', '$V'],
  ])
  await expect(factsOf({'a.conf': 'V: 1\ninclude b.conf\n', 'b.conf': 'port: $V'})).rejects.toThrow(
    "b.conf:1:7: the variable '$V' is not set.",
  )
  await expect(factsOf({'a.conf': 'port: $V'}, {V: '$W', W: '$V'})).rejects.toThrow("'$V' refers to itself")
  await expect(factsOf({'a.conf': 'port: $V'}, {V: 'se cret'})).rejects.toThrow(
    'the value of a variable cannot be read',
  )
})

test('what the server would refuse or overlook is told with its place', async () => {
  const {problems} = await factsOf({
    'a.conf': `accounts { A { users: {} } }
accounts {
  A { mappings { a: b
    a: c, d: {dest: e}, f: [ 1 ] } }
  A { }
  B { users: [{password: x}] }
}`,
  })
  expect(problems.map(({at, reason}) => `${at.line}:${at.column} ${reason}`).sort()).toEqual([
    "1:1 a later 'accounts' replaces this one",
    "3:3 a later 'A' replaces this one",
    '6:15 a user needs a name or a public key',
  ])
})
