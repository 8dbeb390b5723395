import * as fc from 'fast-check'
import {beforeEach, describe, expect, test} from 'vitest'

import type {TableChange} from '../../../src/lib/apply/driver.js'
import {systemClock, type Clock} from '../../../src/lib/clock.js'
import {ControlPlane} from '../../../src/lib/control-plane/client.js'
import {ControlPlaneDriver} from '../../../src/lib/control-plane/driver.js'
import {ConflictError, describeFailure, type FailureDescription} from '../../../src/lib/errors.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {
  answering,
  answeringAfterwards,
  losingTheAnswer,
  losingTheRequest,
  startControlPlane,
  type Interference,
  type ManagedAccount,
  type Mappings,
  type TestControlPlane,
} from '../../support/control-plane.js'

const foreign: Mappings = {'theirs.*': [{subject: 'theirs.v1.$1', weight: 30, cluster: 'east'}], bare: [{subject: 'b'}]}
const change: TableChange = [{source: 'ours', destinations: [{subject: 'ours.v2', weight: 100}]}]
const accounts = /\/accounts\/\w+$/

let plane: TestControlPlane
let account: ManagedAccount
let driver: ControlPlaneDriver
beforeEach(async () => {
  plane = await startControlPlane({publicKey: createKey('A').publicKey, mappings: foreign})
  account = plane.accounts[0]!
  driver = driverOf()
  return () => plane[Symbol.asyncDispose]()
})

/** Waits are short, and count as long as they were asked for. */
function driverOf({url = plane.url}: {readonly url?: string} = {}): ControlPlaneDriver {
  let slept = 0
  const clock: Clock = {
    now: () => Date.now() + slept,
    sleep: (ms) => {
      slept += ms
      return systemClock.sleep(1)
    },
  }
  const client = new ControlPlane({url: new URL(url), token: plane.token, timeoutMs: 5000, clock})
  return new ControlPlaneDriver({plane: client, id: account.id})
}

async function failure(work: Promise<unknown>): Promise<FailureDescription & {readonly name: string}> {
  const error = await work.then(
    () => new Error('It worked.'),
    (thrown: unknown) => thrown as Error,
  )
  return {...describeFailure(error), name: error.name}
}

describe('a change', () => {
  test('sends its sources alone and reads back what it came to', async () => {
    const {before, notes, verify} = await driver.apply(change)
    expect(before.mappings).toEqual(foreign)
    expect(notes).toEqual([])
    expect(await verify(0)).toEqual({outcomes: [], overtaken: false})
    expect(plane.patches()).toEqual([{jwt_settings: {mappings: {ours: [{subject: 'ours.v2', weight: 100}]}}}])
    expect(account.mappings).toEqual({...foreign, ours: [{subject: 'ours.v2', weight: 100}]})
    expect(plane.requests.at(-1)).toMatchObject({method: 'GET'})
  })

  test('is judged on what is there right before it', async () => {
    const seen: unknown[] = []
    const error = new ConflictError('Changed meanwhile.')
    const inspect = (view: {readonly mappings: object}): never => {
      seen.push(view.mappings)
      throw error
    }
    await expect(driver.apply(change, {inspect})).rejects.toBe(error)
    expect(seen).toEqual([foreign])
    expect(plane.patches()).toEqual([])
  })

  test('leaves what others change at the same time, and tells it', async () => {
    plane.interfere('PATCH', accounts, async (_response, {serve}) => {
      account.mappings = {...account.mappings, late: [{subject: 'late.v2', weight: 100}], bare: [{subject: 'c'}]}
      await serve()
    })
    const {notes} = await driver.apply(change)
    expect(notes).toEqual([
      "Mappings that are none of this route changed in the control plane at the same time: 'bare', 'late'.",
    ])
    expect(Object.keys(account.mappings).sort()).toEqual(['bare', 'late', 'ours', 'theirs.*'])
  })

  test('that another tool overwrites at once is seen', async () => {
    const {verify} = await driver.apply(change)
    account.mappings = {...foreign, ours: [{subject: 'ours.v9', weight: 100}]}
    expect(await verify(0)).toMatchObject({overtaken: true})
  })

  test.each([
    [401, 11],
    [403, 11],
    [404, 4],
    [409, 5],
    [400, 1],
  ])('that is answered %d exits %d, and was not made', async (status, exit) => {
    plane.interfere('PATCH', accounts, answering(status))
    expect(await failure(driver.apply(change))).toMatchObject({
      exit,
      name: expect.not.stringContaining('Unknown') as string,
    })
    expect(plane.patches()).toHaveLength(1)
  })

  test('waits where it comes too fast, and looks again before it goes on', async () => {
    plane.interfere('PATCH', accounts, answering(429, {'retry-after': '2'}))
    let looks = 0
    await driver.apply(change, {inspect: () => (looks += 1)})
    expect([looks, plane.patches().length]).toEqual([2, 2])
    expect(account.mappings).toHaveProperty('ours')
  })

  test('that would have to wait too long exits 6, and was not made', async () => {
    plane.interfere('PATCH', accounts, answering(429, {'retry-after': '600'}))
    const {exit, name, json} = await failure(driver.apply(change))
    expect([exit, name]).toEqual([6, 'RateLimitedError'])
    expect(json.suggestions).toEqual(['--timeout 605s   (waits for it)'])
    expect(account.mappings).toEqual(foreign)
  })
})

describe('a change whose answer is lost', () => {
  test.each([
    ['cut', losingTheAnswer],
    ['504', answeringAfterwards(504)],
  ])('and that was made is found by reading back (%s)', async (_name, interference) => {
    plane.interfere('PATCH', accounts, interference)
    const {verify} = await driver.apply(change)
    expect(await verify(0)).toMatchObject({overtaken: false})
    expect(plane.patches()).toHaveLength(1)
  })

  test.each([
    ['cut', losingTheRequest],
    ['502', answering(502)],
  ])('and that was not made is sent once more, when nobody speaks against it (%s)', async (_name, interference) => {
    plane.interfere('PATCH', accounts, interference)
    let looks = 0
    await driver.apply(change, {inspect: () => (looks += 1)})
    expect([looks, plane.patches().length]).toEqual([2, 2])
    expect(account.mappings).toHaveProperty('ours')
  })

  test('twice exits 6: what became of it is unknown', async () => {
    plane.interfere('PATCH', accounts, losingTheRequest)
    plane.interfere('PATCH', accounts, answering(503))
    expect(await failure(driver.apply(change))).toMatchObject({exit: 6, name: 'SentUnknownError'})
    expect(plane.patches()).toHaveLength(2)
  })

  test('and that cannot be read back exits 6', async () => {
    plane.interfere('PATCH', accounts, (response) => {
      for (let index = 0; index < 9; index++) plane.interfere('GET', accounts, answering(403))
      response.socket?.destroy()
    })
    expect(await failure(driver.apply(change))).toMatchObject({exit: 6, name: 'SentUnknownError'})
  })

  test('while another tool set the source exits 6 and overwrites nothing', async () => {
    plane.interfere('PATCH', accounts, (response) => {
      account.mappings = {...foreign, ours: [{subject: 'ours.v9', weight: 100}]}
      response.socket?.destroy()
    })
    expect(await failure(driver.apply(change))).toMatchObject({exit: 6, name: 'SentUnknownError'})
    expect(account.mappings).toEqual({...foreign, ours: [{subject: 'ours.v9', weight: 100}]})
  })

  test('and that arrives after reading back is not taken for somebody else', async () => {
    plane.interfere('PATCH', accounts, (response) => {
      for (let look = 1; look <= 3; look++) plane.interfere('GET', accounts, async (_response, {serve}) => serve())
      plane.interfere('GET', accounts, async (_response, {serve}) => {
        account.mappings = {...foreign, ours: [{subject: 'ours.v2', weight: 100}]}
        await serve()
      })
      response.socket?.destroy()
    })
    const inspect = (view: {readonly mappings: object}): void => {
      if ('ours' in view.mappings) throw new ConflictError('Changed meanwhile.')
    }
    expect(await driver.apply(change, {inspect})).toMatchObject({notes: []})
    expect(plane.patches()).toHaveLength(1)
  })

  test('and that meets somebody else when it is sent again exits 6', async () => {
    plane.interfere('PATCH', accounts, losingTheRequest)
    let looks = 0
    const inspect = (): void => {
      looks += 1
      if (looks > 1) throw new ConflictError('Changed meanwhile.')
    }
    expect(await failure(driver.apply(change, {inspect}))).toMatchObject({exit: 6, name: 'SentUnknownError'})
  })

  test('after it was made and answered is not sent again', async () => {
    plane.interfere('PATCH', accounts, async (_response, {serve}) => {
      await serve()
      for (let index = 0; index < 9; index++) plane.interfere('GET', accounts, answering(404))
    })
    expect(await failure(driver.apply(change))).toMatchObject({exit: 6, name: 'SentUnknownError'})
    expect(plane.patches()).toHaveLength(1)
  })
})

describe('a change that the control plane cannot bring to the servers', () => {
  const failing: Interference = async (_response, {serve}) => {
    Object.assign(account, {sync: 'Failed', syncError: 'system \u001b[2J is offline.'})
    await serve()
  }

  test('is put back, and its reason is told', async () => {
    account.mappings = {...foreign, ours: [{subject: 'ours.v1'}]}
    plane.interfere('PATCH', accounts, failing)
    const {exit, json} = await failure(driver.apply(change))
    expect(exit).toBe(1)
    expect(json.message).toBe(
      'The control plane took the change and could not bring it to the servers: system \\u{1b}[2J is offline; the previous mappings are in place again.',
    )
    expect(account.mappings).toEqual({...foreign, ours: [{subject: 'ours.v1', weight: 100}]})
  })

  test('is put back where its subject is named as what every object has', async () => {
    plane.interfere('PATCH', accounts, failing)
    const destinations = [{subject: 'made.v2', weight: 100}]
    const {exit, json} = await failure(driver.apply([{source: 'constructor', destinations}]))
    expect([exit, json.message]).toEqual([1, expect.stringContaining('the previous mappings are in place again')])
    expect(account.mappings).toEqual(foreign)
  })

  test('never has the token in its reason', async () => {
    plane.interfere('PATCH', accounts, async (_response, {serve}) => {
      Object.assign(account, {sync: 'Failed', syncError: `cannot use Bearer ${plane.token}`})
      await serve()
    })
    const {json} = await failure(driver.apply(change))
    expect(json.message).toContain('cannot use Bearer …;')
    expect(JSON.stringify(json)).not.toContain(plane.token)
  })

  test('and that it does not put back either exits 6', async () => {
    plane.interfere('PATCH', accounts, failing)
    plane.interfere('PATCH', accounts, answering(500))
    expect(await failure(driver.apply(change))).toMatchObject({exit: 6, name: 'SentUnknownError'})
  })

  test('is waited for while it is told of the change before', async () => {
    plane.interfere('PATCH', accounts, async (response, context) => {
      await failing(response, context)
      plane.interfere('GET', accounts, async (_response, {serve}) => {
        await serve()
        account.sync = 'Complete'
      })
    })
    expect(await driver.apply(change)).toMatchObject({notes: []})
  })

  test('in time is told to be still on its way', async () => {
    account.sync = 'InProgress'
    const {notes} = await driver.apply(change)
    expect(notes).toEqual(['The control plane is still bringing the change to the servers.'])
  })
})

describe('taking back', () => {
  const previous: TableChange = [{source: 'ours', destinations: undefined}]

  test('writes what was there before, and nothing of others', async () => {
    await driver.apply(change)
    account.mappings = {...account.mappings, late: [{subject: 'late.v2', weight: 100}]}
    expect(await driver.takeBack({change, previous}, 0)).toBe('written')
    expect(account.mappings).toEqual({...foreign, late: [{subject: 'late.v2', weight: 100}]})
    expect(plane.patches().at(-1)).toEqual({jwt_settings: {mappings: {ours: null}}})
  })

  test('does nothing where it is so already', async () => {
    expect(await driver.takeBack({change, previous}, 0)).toBe('not needed')
    expect(plane.patches()).toEqual([])
  })

  test('leaves what another tool set meanwhile', async () => {
    account.mappings = {ours: [{subject: 'ours.v9', weight: 100}]}
    expect(await driver.takeBack({change, previous}, 0)).toBe('foreign')
    expect(plane.patches()).toEqual([])
  })

  test('leaves what another tool sets just before', async () => {
    await driver.apply(change)
    const sent = plane.patches().length
    plane.interfere('GET', accounts, async (_response, {serve}) => {
      await serve()
      account.mappings = {ours: [{subject: 'ours.v9', weight: 100}]}
    })
    expect(await driver.takeBack({change, previous}, 0)).toBe('foreign')
    expect(plane.patches()).toHaveLength(sent)
  })

  test('says when it failed', async () => {
    await driver.apply(change)
    plane.interfere('PATCH', accounts, answering(403))
    expect(await driver.takeBack({change, previous}, 0)).toBe('failed')
  })
})

test.each([
  ['http://plane.example', 1],
  ['https://plane.example', 0],
  ['http://127.0.0.1:8080', 0],
])('a plan with %s has %d warnings of a token without TLS', (url, count) => {
  expect(driverOf({url}).notes).toHaveLength(count)
})

test('whatever there is of others, it never appears in a request and stays as it is', async () => {
  const token = fc.stringMatching(/^[a-z]{1,3}$/)
  const source = fc.array(token, {minLength: 1, maxLength: 2}).map((tokens) => tokens.join('.'))
  const destination = fc.record({subject: source, weight: fc.integer({min: 0, max: 100})})
  const table = fc.dictionary(source, fc.array(destination, {minLength: 1, maxLength: 2}), {maxKeys: 5})
  const ours = fc.uniqueArray(fc.record({source, destinations: fc.option(fc.array(destination), {nil: undefined})}), {
    selector: (one) => one.source,
    minLength: 1,
    maxLength: 3,
  })
  await fc.assert(
    fc.asyncProperty(table, ours, async (present, asked) => {
      account.mappings = {...present}
      plane.requests.length = 0
      await driver.apply(asked)
      const named = new Set(asked.map((one) => one.source))
      for (const {jwt_settings: settings, ...others} of plane.patches()) {
        expect(others).toEqual({})
        expect(Object.keys(settings)).toEqual(['mappings'])
        expect(new Set(Object.keys(settings.mappings))).toEqual(named)
      }
      const left = (mappings: Mappings): object =>
        Object.fromEntries(Object.entries(mappings).filter(([one]) => !named.has(one)))
      expect(left(account.mappings)).toEqual(left(present))
    }),
    {numRuns: 60},
  )
})
