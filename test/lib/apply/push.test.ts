import {rename, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {openSource, readAccount, readFacts} from '../../../src/lib/apply/account-state.js'
import {prepareChange, sendChange, type TokenSigner} from '../../../src/lib/apply/push.js'
import {verifyPush} from '../../../src/lib/apply/verify.js'
import {writeBack} from '../../../src/lib/apply/write-back.js'
import {systemClock} from '../../../src/lib/clock.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {decodeToken, encodeToken} from '../../../src/lib/keys/token.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'

let server: OperatorServer
beforeAll(async () => {
  server = await startOperatorServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const destinations = [
  {subject: 'v1.orders', weight: 70},
  {subject: 'v2.orders', weight: 30},
]

let count = 0
/** A driver with a client of the account connected, so that the account is loaded; a source of its own each time. */
async function open(
  on: OperatorServer = server,
  fields: Partial<TokenSigner> = {},
): Promise<{driver: TokenSigner; source: string} & AsyncDisposable> {
  const system = await SystemClient.open(on.spec())
  const user = await openConnection(on.spec())
  const base = await openSource({system, account: on.account.publicKey, clock: systemClock})
  const driver = {...base, key: on.operatorSigning, facts: await readFacts(base), timeoutMs: 5000, secondsAhead: 10_000}
  return {
    driver: {...driver, ...fields},
    source: `orders.${++count}`,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([system[Symbol.asyncDispose](), user.close()])
    },
  }
}

const push = async (driver: TokenSigner, source: string, wanted: typeof destinations | undefined = destinations) =>
  sendChange(driver, await prepareChange(driver, [{source, destinations: wanted}]))

describe('reading', () => {
  test('gives the stored token, the live table of each server, whom it trusts and what time it is there', async () => {
    await using opened = await open()
    const {driver} = opened
    const {token, servers} = await readAccount(driver)
    expect(token).toMatchObject({
      account: server.account.publicKey,
      issuer: server.operatorSigning.publicKey,
      signed: true,
    })
    expect(servers).toMatchObject([{server: {name: 'test'}, live: {token: token.text}}])
    expect(driver.facts.trust).toEqual([
      {
        server: 'test',
        operators: [
          {
            key: server.operator.publicKey,
            name: 'test',
            signingKeys: [server.operatorSigning.publicKey],
            strict: false,
          },
        ],
      },
    ])
    expect(Math.abs(driver.facts.clockOffsetMs)).toBeLessThan(1000)
    expect(driver.facts.silent).toEqual([])
  })

  test('of an account that no server keeps is a connection error', async () => {
    await using opened = await open()
    const account = createKey('A').publicKey
    await expect(readAccount({...opened.driver, account})).rejects.toMatchObject({
      kind: 'connection',
      message: `No server keeps a token of account '${account}' that can be changed.`,
    })
  })
})

describe('a push', () => {
  test('is live when it was answered, and is verified by the whole table', async () => {
    await using opened = await open()
    const {driver, source} = opened
    const receipt = await push(driver, source)
    expect(receipt.replies).toMatchObject([{server: {name: 'test'}, accepted: true}])
    const {outcomes, overtaken} = await verifyPush(driver, receipt, 0)
    expect(outcomes).toMatchObject([{server: {name: 'test'}, outcome: 'applied'}])
    expect(overtaken).toBe(false)
    const {servers} = await readAccount(driver)
    expect(servers[0]!.live!.table.get(source)).toEqual(destinations.toReversed())
  })

  test('by a key that the servers do not trust is not made', async () => {
    await using opened = await open(server, {key: createKey('O')})
    const {driver, source} = opened
    const before = await readAccount(driver)
    await expect(push(driver, source)).rejects.toMatchObject({
      kind: 'connection',
      message: expect.stringContaining("server 'test' trusts 'test'") as string,
    })
    expect((await readAccount(driver)).token.text).toBe(before.token.text)
  })

  test('over a token that an untrusted key signed is not made', async () => {
    await using other = await startOperatorServer()
    await using opened = await open(other)
    const {driver, source} = opened
    const {header, payload} = decodeToken((await readAccount(driver)).token.text)
    const forger = createKey('O')
    await driver.system.request(
      '$SYS.REQ.CLAIMS.UPDATE',
      encodeToken(header, {...payload, iss: forger.publicKey, jti: 'x'}, forger),
      {expect: 1},
    )
    await expect(push(driver, source)).rejects.toMatchObject({
      kind: 'connection',
      message: expect.stringContaining(`the present token was signed by '${forger.publicKey}'`) as string,
    })
  })

  test('waits until iat is at most 30 s ahead of the clock, or says how far it is', async () => {
    await using opened = await open()
    const {driver, source} = opened
    const {token} = await readAccount(driver)
    const slept: number[] = []
    const now = (token.issuedAt - 35) * 1000 - driver.facts.clockOffsetMs
    let ahead = 0
    const clock = {
      now: () => now + ahead,
      sleep: (ms: number) => {
        slept.push(ms)
        ahead += ms
        return Promise.resolve()
      },
    }
    const {secondsAhead: _, ...strict} = driver
    const receipt = await push({...strict, clock, timeoutMs: 10_000}, source)
    expect(slept).toEqual([6000])
    expect(receipt.token.issuedAt).toBe(token.issuedAt + 1)
    ahead = 0
    await expect(push({...strict, clock, timeoutMs: 1000}, source)).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('s ahead of the clock, and nothing was changed') as string,
    })
  })

  test('that another tool overtook is found, and our previous mapping is written into its token', async () => {
    await using opened = await open()
    const {driver, source} = opened
    await push(driver, source)
    const theirs = await prepareChange(driver, [{source: `${source}.theirs`, destinations}])
    const ours = await push(driver, source, [{subject: 'v3.orders', weight: 100}])
    await sendChange(driver, theirs)

    const {outcomes, overtaken} = await verifyPush(driver, ours, 0)
    expect(overtaken).toBe(true)
    expect(outcomes).toMatchObject([{outcome: 'differs', reason: 'our mapping is not live'}])
    // Theirs was made from the token before ours, so it brought the previous mapping back by itself.
    const taken = {change: ours.change, previous: [{source, destinations}]}
    expect(await writeBack(driver, taken, 0)).toBe('not needed')

    await sendChange(driver, await prepareChange(driver, ours.change))
    expect(await writeBack(driver, taken, 0)).toBe('written')
    const {token} = await readAccount(driver)
    expect(token.mappings[source]).toEqual(destinations)
    expect(token.mappings[`${source}.theirs`]).toEqual(destinations)
  })

  test('that another tool replaced by a mapping of its own is not taken back over it', async () => {
    await using opened = await open()
    const {driver, source} = opened
    await push(driver, source)
    const ours = await push(driver, source, [{subject: 'v3.orders', weight: 100}])
    const theirs = [{subject: 'v9.orders', weight: 100}]
    await push(driver, source, theirs)

    const {outcomes, overtaken} = await verifyPush(driver, ours, 0)
    expect({overtaken, outcomes}).toMatchObject({overtaken: true, outcomes: [{outcome: 'differs'}]})
    expect(await writeBack(driver, {change: ours.change, previous: [{source, destinations}]}, 0)).toBe('foreign')
    expect((await readAccount(driver)).token.mappings[source]).toEqual(theirs)
  })

  test('that another tool is just overtaking is not given up before the servers have come round', async () => {
    await using opened = await open()
    const {driver, source} = opened
    await push(driver, source)
    const theirs = await prepareChange(driver, [{source: `${source}.theirs`, destinations}])
    const ours = await push(driver, source, [{subject: 'v3.orders', weight: 100}])
    await sendChange(driver, theirs)
    const verifying = verifyPush(driver, ours, 5000)
    await sendChange(driver, await prepareChange(driver, ours.change))
    expect(await verifying).toMatchObject({overtaken: true, outcomes: [{outcome: 'applied'}]})
  })

  test('that is refused for a mapping of somebody else does not tell which', async () => {
    await using opened = await open()
    const {driver, source} = opened
    const {token} = await readAccount(driver)
    const {header, payload} = decodeToken(token.text)
    const twice = [destinations[0], destinations[0]]
    const nats = {...(payload['nats'] as object), mappings: {'their.secret': twice, [source]: destinations}}
    const before = await prepareChange(driver, [{source, destinations}])
    const text = encodeToken(header, {...payload, nats, iat: before.token.issuedAt}, driver.key!)
    const receipt = await sendChange(driver, {...before, token: {...before.token, text}})
    const {outcomes} = await verifyPush(driver, receipt, 0)
    expect(outcomes).toMatchObject([
      {outcome: 'refused', reason: expect.stringContaining('Mapping "…" exceeds') as string},
    ])
    expect(JSON.stringify(outcomes)).not.toContain('their.secret')
  })

  test('stays live when a later token of another tool kept it', async () => {
    await using opened = await open()
    const {driver, source} = opened
    const ours = await push(driver, source)
    await push(driver, `${source}.theirs`)
    const {outcomes, overtaken} = await verifyPush(driver, ours, 0)
    expect({overtaken, outcomes}).toMatchObject({overtaken: true, outcomes: [{outcome: 'applied'}]})
  })

  test('that was answered 200 and is not live is found: an account whose token ran out in between', async () => {
    await using other = await startOperatorServer()
    await using opened = await open(other)
    const {driver, source} = opened
    const {header, payload} = decodeToken((await readAccount(driver)).token.text)
    const expires = Math.floor(Date.now() / 1000) + 2
    const shortLived = encodeToken(
      header,
      {...payload, iat: (payload['iat'] as number) + 1, exp: expires, jti: 'y'},
      driver.key!,
    )
    await driver.system.request('$SYS.REQ.CLAIMS.UPDATE', shortLived, {expect: 1})
    const prepared = await prepareChange(driver, [{source, destinations}])
    await systemClock.sleep(expires * 1000 - Date.now() + 50)
    const receipt = await sendChange(driver, prepared)
    expect(receipt.replies).toMatchObject([{accepted: true}])
    expect((await verifyPush(driver, receipt, 0)).outcomes).toMatchObject([
      {outcome: 'differs', reason: 'the account token has expired'},
    ])
    await expect(push(driver, source)).rejects.toMatchObject({
      kind: 'connection',
      message: expect.stringContaining('expired at') as string,
    })
  })

  test('that the server cannot store is refused, and leaves what was there', async () => {
    await using other = await startOperatorServer()
    await using opened = await open(other)
    const {driver, source} = opened
    await push(driver, source)
    const prepared = await prepareChange(driver, [{source, destinations: [{subject: 'v3.orders', weight: 100}]}])
    await rename(join(other.dir, 'accounts'), join(other.dir, 'gone'))
    await writeFile(join(other.dir, 'accounts'), 'not a folder')
    const receipt = await sendChange(driver, prepared)
    await rm(join(other.dir, 'accounts'))
    await rename(join(other.dir, 'gone'), join(other.dir, 'accounts'))
    expect((await verifyPush(driver, receipt, 0)).outcomes).toMatchObject([
      {outcome: 'refused', reason: expect.stringMatching(/not a directory/) as string},
    ])
    expect(await writeBack(driver, {change: prepared.change, previous: [{source, destinations}]}, 0)).toBe('not needed')
  })
})
