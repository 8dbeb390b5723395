import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, test} from 'vitest'

import type {ResolverKind} from '../../../src/lib/apply/resolver-kind.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {openDriver} from '../../support/jwt-driver.js'
import {startResolvers} from '../../support/resolver-servers.js'

const destinations = [
  {subject: 'v2.orders', weight: 40},
  {subject: 'v1.orders', weight: 60},
]
const change = [
  {source: 'orders.get', destinations},
  {source: 'orders.put', destinations},
]

describe.each([
  {kinds: ['full', 'full'], forgets: undefined},
  {kinds: ['full', 'cache'], forgets: undefined},
  {kinds: ['memory', 'memory'], forgets: 'memory'},
  {kinds: ['url', 'url'], forgets: 'url'},
  {kinds: ['full', 'memory'], forgets: 'memory'},
] satisfies {kinds: ResolverKind[]; forgets: string | undefined}[])('servers of kinds $kinds', ({kinds, forgets}) => {
  test('get one change of two sources, which is verified on both and taken back on both', async () => {
    await using started = await startResolvers(kinds)
    await using opened = await openDriver(started.spec(), started.account)
    const {driver} = opened
    expect(driver.durability?.kind).toBe(forgets)
    expect(driver.notes).toHaveLength(forgets === undefined ? 0 : 1)
    const applied = await driver.apply(change)
    const {outcomes, overtaken} = await applied.verify(2000)
    expect(overtaken).toBe(false)
    expect(outcomes).toHaveLength(2)
    for (const {outcome} of outcomes) expect(outcome).toMatch(/^(applied|stored)$/)
    const view = await driver.read()
    expect(Object.keys(view.mappings)).toEqual(['orders.get', 'orders.put'])
    for (const {live} of view.servers) if (live) expect(live.table.get('orders.put')).toEqual(destinations)
    const previous = change.map(({source}) => ({source, destinations: undefined}))
    expect(await driver.takeBack({change, previous}, 2000)).toBe('written')
    expect((await driver.read()).mappings).toEqual({})
  })
})

describe('servers with tokens in memory', () => {
  test('lose a change when they restart, as was said', async () => {
    await using started = await startResolvers(['memory'])
    await using opened = await openDriver(started.spec(), started.account)
    const {durability} = opened.driver
    expect(durability).toEqual({
      kind: 'memory',
      servers: ['memory-0'],
      warning:
        "Server 'memory-0' keeps account tokens in memory only: a restart or a reload brings the old routes back.",
      step: `Put the new token in place of the old one in the line '${started.account}' of resolver_preload in the configuration of 'memory-0'. The system account's user gets it by: nats server request accounts --account ${started.account} (data.account_detail.jwt).`,
    })
    const applied = await opened.driver.apply(change)
    await applied.verify(2000)
    await started.servers[0]!.restart()
    await using forgotten = await openDriver(started.spec(), started.account)
    expect(forgotten.view.mappings).toEqual({})
  })

  test('answer 200 to a mapping that they do not take, and verification finds it', async () => {
    await using started = await startResolvers(['memory'])
    await using opened = await openDriver(started.spec(), started.account)
    const twice = [
      {subject: 'v1.orders', weight: 50},
      {subject: 'v1.orders', weight: 50},
    ]
    const broken = [{source: 'orders.get', destinations: twice}]
    const applied = await opened.driver.apply(broken)
    const {outcomes} = await applied.verify(0)
    expect(outcomes).toMatchObject([{outcome: 'differs', reason: 'our mapping is not live'}])
    const previous = [{source: 'orders.get', destinations: undefined}]
    expect(await opened.driver.takeBack({change: broken, previous}, 2000)).toBe('written')
    const view = await opened.driver.read()
    expect(view.mappings).toEqual({})
    expect(view.servers[0]!.live?.table.size).toBe(0)
  })

  test('are not pushed a token by a key that they do not trust', async () => {
    await using started = await startResolvers(['memory'])
    const stranger = join(started.folder, 'stranger')
    await writeFile(stranger, createKey('O').seed)
    await expect(openDriver({...started.spec(), operatorKeyFile: stranger}, started.account)).rejects.toMatchObject({
      kind: 'connection',
      message: expect.stringContaining("server 'memory-0' trusts 'test'") as string,
    })
  })
})

test('servers with an account server say so, and forget a change when they restart unless that server has it', async () => {
  await using started = await startResolvers(['url'])
  await using opened = await openDriver(started.spec(), started.account)
  expect(opened.driver.durability).toMatchObject({
    kind: 'url',
    step: expect.stringContaining(
      `Give the new token of account '${started.account}' to the account server '${started.accountServer.url}', or put`,
    ) as string,
  })
  await (await opened.driver.apply(change)).verify(2000)
  const {token} = await opened.driver.read()
  await started.servers[0]!.restart()
  await using forgotten = await openDriver(started.spec(), started.account)
  expect(forgotten.view.mappings).toEqual({})
  started.accountServer.tokens[started.account] = token.text
  await started.servers[0]!.restart()
  await using kept = await openDriver(started.spec(), started.account)
  expect(Object.keys(kept.view.mappings)).toEqual(['orders.get', 'orders.put'])
})

test('a server that restarted and forgot is healed by the next change where others store the token', async () => {
  await using started = await startResolvers(['full', 'memory'])
  await using first = await openDriver(started.spec(), started.account)
  await (await first.driver.apply(change)).verify(2000)
  await started.servers[1]!.restart()
  await using second = await openDriver(started.spec(), started.account)
  const applied = await second.driver.apply([{source: 'stock', destinations}])
  const {outcomes, overtaken} = await applied.verify(2000)
  expect({outcomes, overtaken}).toMatchObject({
    overtaken: false,
    outcomes: [{outcome: 'applied'}, {outcome: 'applied'}],
  })
  const tables = (await second.driver.read()).servers.map(({live}) => [...live!.table.keys()].sort())
  expect(tables).toEqual([
    ['orders.get', 'orders.put', 'stock'],
    ['orders.get', 'orders.put', 'stock'],
  ])
})
