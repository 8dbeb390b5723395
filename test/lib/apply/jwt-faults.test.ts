import {mkdirSync, renameSync, rmdirSync} from 'node:fs'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import {openDriver} from '../../support/jwt-driver.js'
import {createTestOperator} from '../../support/nats-server.js'
import {changeToken} from '../../support/nsc-store.js'
import {startResolvers} from '../../support/resolver-servers.js'

const destinations = [
  {subject: 'v2.orders', weight: 40},
  {subject: 'v1.orders', weight: 60},
]
const change = [{source: 'orders', destinations}]
const previous = [{source: 'orders', destinations: undefined}]

/** The `nats` part of a token as it stands there, byte for byte. */
function bodyOf(token: string): string {
  const payload = Buffer.from(token.split('.')[1]!, 'base64url').toString()
  return payload.slice(payload.indexOf('"nats":'))
}

test('a thousand mappings of others stay as they are, to the last byte, and so does all else', async () => {
  const operator = createTestOperator()
  const foreign = Object.fromEntries(
    Array.from({length: 1000}, (_, index) => [
      index % 3 === 0 ? `foreign.${index}.*` : `foreign.${index}`,
      [
        {subject: index % 3 === 0 ? `to.${index}.$1` : `to.${index}`, weight: 30},
        ...(index % 5 === 0 ? [] : [{subject: `other.${index}`, weight: 70, cluster: 'east'}]),
      ],
    ]),
  )
  const mappings = {...foreign, orders: [{subject: 'v1.orders', weight: 100}]}
  const token = changeToken(operator.tokens.account, operator.keys.operatorSigning, {
    mappings,
    description: 'ünïcode "quoted" \\ back',
    tags: ['a', 'b'],
  })
  await using started = await startResolvers(['full', 'full'], {
    operator: {...operator, tokens: {...operator.tokens, account: token}},
  })
  await using opened = await openDriver(started.spec(), started.account)
  const before = bodyOf(opened.view.token.text)
  const applied = await opened.driver.apply(change)
  expect((await applied.verify(2000)).outcomes).toHaveLength(2)
  const after = bodyOf((await opened.driver.read()).token.text)
  const [was, is] = [mappings.orders, destinations].map((list) => `"orders":${JSON.stringify(list)}`)
  expect(before).toContain(was)
  expect(after === before.replace(was!, is!)).toBe(true)

  // And away again: only that entry is missing.
  await (await opened.driver.apply(previous)).verify(2000)
  const without = bodyOf((await opened.driver.read()).token.text)
  expect(without === before.replace(`,${was!}`, '')).toBe(true)
})

test('a server that cannot write its tokens refuses, and the others are put back', async () => {
  await using started = await startResolvers(['full', 'full'])
  await using opened = await openDriver(started.spec(), started.account)
  const file = join(started.servers[1]!.dir, 'accounts', `${started.account}.jwt`)
  // The user that runs the tests may be allowed to write everywhere, but not to a folder.
  const inspect = (): void => {
    renameSync(file, `${file}.kept`)
    mkdirSync(file)
  }
  const applied = await opened.driver.apply(change, {inspect})
  const {outcomes} = await applied.verify(0)
  rmdirSync(file)
  renameSync(`${file}.kept`, file)
  expect(outcomes).toMatchObject([
    {server: {name: 'full-0'}, outcome: expect.stringMatching(/applied|missing/) as string},
    {server: {name: 'full-1'}, outcome: 'refused', reason: expect.stringContaining('is a directory') as string},
  ])
  expect(await opened.driver.takeBack({change, previous}, 2000)).toBe('written')
  const {mappings, servers} = await opened.driver.read()
  expect(mappings).toEqual({})
  for (const {live} of servers) expect(live?.table.size ?? 0).toBe(0)
})

test('a server of three that is killed during the push is missing, and is mended once it is back', async () => {
  await using started = await startResolvers(['full', 'full', 'full'])
  const spec = {...started.spec(), timeoutMs: 1500}
  await using opened = await openDriver(spec, started.account)
  let killed: Promise<void> | undefined
  const applied = await opened.driver.apply(change, {inspect: () => void (killed = started.servers[2]!.kill())})
  await killed
  const {outcomes} = await applied.verify(0)
  expect(outcomes.filter(({outcome}) => outcome === 'missing').map(({server}) => server.name)).toContain('full-2')
  await started.servers[2]!.restart()
  // It comes back with what it stored before, and nobody changes that blindly.
  await expect(openDriver(spec, started.account)).rejects.toMatchObject({kind: 'conflict'})
  await using mending = await openDriver(spec, started.account, {newest: true})
  expect(mending.view.mappings).toEqual({orders: destinations})
  const mended = await (await mending.driver.apply(change, {newest: true})).verify(5000)
  expect(mended.outcomes).toHaveLength(3)
  for (const {outcome} of mended.outcomes) expect(outcome).toMatch(/^(applied|stored)$/)
  await using again = await openDriver(spec, started.account)
  expect(again.view.mappings).toEqual({orders: destinations})
})
