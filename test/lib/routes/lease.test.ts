import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import {Bucket} from '../../../src/lib/cache/bucket.js'
import type {Clock} from '../../../src/lib/clock.js'
import {systemClock} from '../../../src/lib/clock.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {AccountLease, type LeaseOptions} from '../../../src/lib/routes/store/lease.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {until} from '../../support/until.js'

let server: OperatorServer
let nc: NatsConnection
beforeAll(async () => {
  server = await startOperatorServer()
  nc = await openConnection(server.spec())
})
afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

const ours = {holder: 'me on here', what: 'route ab echo'}
const other = {holder: 'UOTHER on there', what: 'route clear ping'}

/** A clock that runs as the test says, and sleeps no longer than the real one needs to turn round. */
function handClock(): Clock & {skip: (ms: number) => void} {
  let ahead = 0
  return {
    now: () => Date.now() + ahead,
    sleep: async (ms, signal) => {
      const due = Date.now() + ahead + ms
      await until(() => signal?.aborted === true || Date.now() + ahead >= due, 60_000)
      signal?.throwIfAborted()
    },
    skip: (ms) => {
      ahead += ms
    },
  }
}

function options(fields: Partial<LeaseOptions> = {}): LeaseOptions {
  return {nc, spec: server.spec(), clock: systemClock, clockOffsetMs: 0, timeoutMs: 200, ...fields}
}

async function stored(): Promise<Record<string, unknown>> {
  const entry = await Bucket.at(nc, 'LATTICEACCOUNT', {}).get('mappings')
  return JSON.parse(Buffer.from(entry!.value).toString()) as Record<string, unknown>
}

async function write(value: unknown): Promise<void> {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  await Bucket.at(nc, 'LATTICEACCOUNT', {}).put('mappings', Buffer.from(text))
}

beforeEach(async () => {
  const lease = await AccountLease.acquire(ours, options({clock: handClock(), clockOffsetMs: 120_000}))
  await lease[Symbol.asyncDispose]()
})

describe('the lease of an account', () => {
  test('is held by one, named, for less than a minute, and let go at the end', async () => {
    const lease = await AccountLease.acquire(ours, options())
    const {holder, what, deadline, released} = await stored()
    expect({holder, what, released}).toEqual({...ours, released: false})
    expect(Date.parse(deadline as string) - Date.now()).toBeLessThan(60_000)
    await expect(AccountLease.acquire(other, options())).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining("being changed by me on here for 'route ab echo'") as string,
      details: {holder: 'me on here'},
    })
    await lease[Symbol.asyncDispose]()
    await using next = await AccountLease.acquire(other, options())
    expect(next.revision).toBeGreaterThan(lease.revision)
  })

  test('is waited for while another one holds it', async () => {
    const lease = await AccountLease.acquire(ours, options())
    const waiting = AccountLease.acquire(other, options({timeoutMs: 5000}))
    await until(async () => (await stored())['holder'] === ours.holder, 1000)
    await lease[Symbol.asyncDispose]()
    await using next = await waiting
    expect(await stored()).toMatchObject({...other, released: false})
    next.check()
  })

  test('is let go when the change fails', async () => {
    const change = async (): Promise<void> => {
      await using lease = await AccountLease.acquire(ours, options())
      lease.check()
      throw new Error('failed')
    }
    await expect(change()).rejects.toThrow('failed')
    expect(await stored()).toMatchObject({released: true})
  })

  test('is given to one of many who ask at once', async () => {
    const asked = Array.from({length: 8}, (_, index) =>
      AccountLease.acquire({holder: `holder ${index}`, what: 'x'}, options({timeoutMs: 0})),
    )
    const results = await Promise.allSettled(asked)
    const held = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(held).toHaveLength(1)
    await held[0]![Symbol.asyncDispose]()
  })

  test('is taken over when its holder died and the deadline is past', async () => {
    await write({...other, deadline: new Date(Date.now() - 1000).toISOString()})
    await using lease = await AccountLease.acquire(ours, options())
    lease.check()
    expect(await stored()).toMatchObject(ours)
  })

  test('lasts a minute at most, whatever its record says', async () => {
    await write({...other, deadline: '2999-01-01T00:00:00Z'})
    await expect(AccountLease.acquire(ours, options())).rejects.toMatchObject({kind: 'conflict'})
    await using lease = await AccountLease.acquire(ours, options({clockOffsetMs: 61_000}))
    lease.check()
  })

  test('that nobody can read is waited out', async () => {
    await write('not json')
    await expect(AccountLease.acquire(ours, options())).rejects.toThrow('being changed by someone unknown')
    await using lease = await AccountLease.acquire(ours, options({clockOffsetMs: 61_000}))
    lease.check()
  })

  test('is judged by the time of the servers, not by that of this machine', async () => {
    await write({...other, deadline: new Date(Date.now() + 10_000).toISOString()})
    await expect(AccountLease.acquire(ours, options({clockOffsetMs: 0}))).rejects.toMatchObject({kind: 'conflict'})
    await using lease = await AccountLease.acquire(ours, options({clockOffsetMs: 11_000}))
    lease.check()
  })

  test('is renewed while it is held', async () => {
    const clock = handClock()
    await using lease = await AccountLease.acquire(ours, options({clock}))
    const {revision} = lease
    clock.skip(6000)
    await until(() => lease.revision > revision, 5000)
    clock.skip(10_000)
    expect(() => lease.check()).not.toThrow()
  })

  test('that somebody else took is lost, and is not taken from them at the end', async () => {
    const clock = handClock()
    const lease = await AccountLease.acquire(ours, options({clock}))
    await write({...other, deadline: new Date(Date.now() + 30_000).toISOString()})
    clock.skip(6000)
    await until(() => {
      try {
        lease.check()
        return false
      } catch {
        return true
      }
    }, 5000)
    await lease[Symbol.asyncDispose]()
    expect(await stored()).toMatchObject(other)
    await write({...other, deadline: new Date(0).toISOString(), released: true})
  })

  test('that could not be renewed in time is lost', async () => {
    const clock = {...handClock(), sleep: () => new Promise<void>(() => undefined)}
    const lease = await AccountLease.acquire(ours, options({clock}))
    lease.check()
    clock.skip(16_000)
    expect(() => lease.check()).toThrow("The lease on the account's mappings ran out")
    await write({...ours, deadline: new Date(0).toISOString(), released: true})
  })
})
