import {availableParallelism} from 'node:os'

import {beforeAll, describe, expect, test} from 'vitest'

import {DeadlineError, GuestError, StoppedError, TrapError} from '../../../src/lib/wasm/guest-errors.js'
import {WorkerBudget} from '../../../src/lib/wasm/budget.js'
import {compileGuest} from '../../support/guests.js'
import {bytes, callOut, gate, openPool, soon, soonMs, text} from '../../support/pools.js'
import {until} from '../../support/until.js'

let probe: Uint8Array
beforeAll(async () => {
  probe = await compileGuest('probe')
})

describe('calls', () => {
  test('an answer is what the actor gives, and no worker is there before the first call', async () => {
    await using pool = openPool(probe)
    expect(pool.stats.workers).toBe(0)
    expect(text(await pool.call('Probe.Echo', bytes('hello'), soon()))).toBe('hello')
    expect(pool.stats).toEqual({count: 4, workers: 1, busy: 0, queued: 0, replaced: 0})
  })

  test('a payload that is a view of a larger buffer is left whole', async () => {
    await using pool = openPool(probe)
    const large = Buffer.from('before hello after')
    expect(text(await pool.call('Probe.Echo', large.subarray(7, 12), soon()))).toBe('hello')
    expect(large.toString()).toBe('before hello after')
  })

  test('megabytes and nothing at all go through', async () => {
    await using pool = openPool(probe)
    const large = Buffer.alloc(5_000_000, 'lattice')
    expect(Buffer.from(await pool.call('Probe.Echo', large, soon())).equals(large)).toBe(true)
    expect(await pool.call('Probe.Echo', new Uint8Array(), soon())).toHaveLength(0)
  })

  test('what the actor says of its failure is the error, and its worker goes on', async () => {
    await using pool = openPool(probe)
    await expect(pool.call('Probe.Fail', bytes('no such order'), soon())).rejects.toThrow(GuestError)
    await expect(pool.call('Probe.Fail', bytes('no such order'), soon())).rejects.toThrow('no such order')
    await expect(pool.call('Probe.FailSilently', bytes(''), soon())).rejects.toThrow(GuestError)
    expect(pool.stats).toMatchObject({workers: 1, replaced: 0})
  })

  test('start functions run once for each worker', async () => {
    await using pool = openPool(probe)
    await pool.call('Probe.Calls', bytes(''), soon())
    expect(text(await pool.call('Probe.Calls', bytes(''), soon()))).toBe('2 1')
  })
})

describe('concurrency', () => {
  test('no more calls run at once than the count says, and the others follow in order', async () => {
    const {hostCall, waiting, open: release} = gate()
    await using pool = openPool(probe, {count: 2, hostCall})
    const done: number[] = []
    const calls = [0, 1, 2, 3, 4].map((n) => pool.call('Probe.Call', callOut, soon()).then(() => done.push(n)))
    while (done.length < 5) {
      await until(() => waiting() === Math.min(2, 5 - done.length), soonMs)
      expect(pool.stats.busy).toBeLessThanOrEqual(2)
      expect(pool.stats.workers).toBeLessThanOrEqual(2)
      const before = done.length
      release()
      await until(() => done.length >= Math.min(5, before + 2), soonMs)
    }
    await Promise.all(calls)
    expect([done.slice(0, 2).sort(), done.slice(2, 4).sort(), done[4]]).toEqual([[0, 1], [2, 3], 4])
  })

  test('a call that finds no free worker until its deadline fails, and the one that runs does not', async () => {
    const {hostCall, waiting, open: release} = gate()
    await using pool = openPool(probe, {count: 1, hostCall})
    const first = pool.call('Probe.Call', callOut, soon())
    await until(() => waiting() === 1, soonMs)
    const late = await pool.call('Probe.Echo', bytes(''), Date.now() + 50).catch((error: unknown) => error)
    expect(late).toBeInstanceOf(DeadlineError)
    expect(late).toMatchObject({kind: 'timeout', details: {phase: 'queued'}})
    expect(pool.stats).toMatchObject({queued: 0, replaced: 0})
    release()
    expect(text(await first)).toBe('hello')
  })

  test('a worker that starts too late for its call is kept for the next one', async () => {
    await using pool = openPool(probe)
    await expect(pool.call('Probe.Echo', bytes('a'), Date.now() + 1)).rejects.toThrow(DeadlineError)
    await until(() => pool.stats.workers === 1, soonMs)
    expect(text(await pool.call('Probe.Echo', bytes('b'), soon()))).toBe('b')
    expect(pool.stats).toMatchObject({workers: 1, replaced: 0})
  })

  test('a burst on a cold pool starts a few workers at a time and loses no call', async () => {
    await using pool = openPool(probe, {count: 64, budget: new WorkerBudget(64)})
    const calls = Array.from({length: 64}, (_, n) => pool.call('Probe.Echo', bytes(String(n)), soon()))
    expect(pool.stats.workers).toBeLessThanOrEqual(Math.max(2, availableParallelism()))
    expect((await Promise.all(calls)).map(text)).toEqual(calls.map((_, n) => String(n)))
  })

  test('a deadline that has passed is not tried', async () => {
    await using pool = openPool(probe, {count: 0})
    await expect(pool.call('Probe.Echo', bytes(''), Date.now() - 1)).rejects.toThrow(DeadlineError)
  })

  test('a greater count starts what waits, a smaller one ends idle workers', async () => {
    const {hostCall, waiting, open: release} = gate()
    await using pool = openPool(probe, {count: 1, hostCall})
    const calls = [0, 1, 2].map(() => pool.call('Probe.Call', callOut, soon()))
    await until(() => waiting() === 1, soonMs)
    pool.resize(3)
    await until(() => waiting() === 3, soonMs)
    release()
    await Promise.all(calls)
    pool.resize(1)
    expect(pool.stats).toMatchObject({count: 1, workers: 1})
  })

  test('idle workers end', async () => {
    const budget = new WorkerBudget(8)
    await using pool = openPool(probe, {budget, idleMs: 20})
    await pool.call('Probe.Echo', bytes(''), soon())
    await until(() => pool.stats.workers === 0 && budget.alive === 0, soonMs)
    expect(text(await pool.call('Probe.Echo', bytes('again'), soon()))).toBe('again')
    expect(pool.stats.replaced).toBe(0)
  })
})

describe('the budget of a host', () => {
  test('two pools together have no more workers than it allows', async () => {
    const budget = new WorkerBudget(2)
    const {hostCall, waiting, open: release} = gate()
    await using first = openPool(probe, {budget, hostCall})
    await using second = openPool(probe, {budget, hostCall})
    const calls = [first, second, first, second].map((pool) => pool.call('Probe.Call', callOut, soon()))
    let left = calls.length
    for (const call of calls) void call.then(() => (left -= 1))
    await until(() => {
      expect(budget.alive).toBeLessThanOrEqual(2)
      expect(first.stats.workers + second.stats.workers).toBeLessThanOrEqual(2)
      if (waiting() > 0) release()
      return left === 0
    }, soonMs)
    expect((await Promise.all(calls)).map(text)).toEqual(['hello', 'hello', 'hello', 'hello'])
  })

  test('an idle worker of one pool makes room for another', async () => {
    const budget = new WorkerBudget(1)
    await using first = openPool(probe, {budget})
    await using second = openPool(probe, {budget})
    await first.call('Probe.Echo', bytes(''), soon())
    expect(text(await second.call('Probe.Echo', bytes('mine'), soon()))).toBe('mine')
    expect([first.stats.workers, second.stats.workers]).toEqual([0, 1])
  })

  test('a pool with calls without end does not starve another', async () => {
    const budget = new WorkerBudget(1)
    await using busy = openPool(probe, {budget})
    await using other = openPool(probe, {budget})
    let running = true
    const load = Array.from({length: 4}, async () => {
      while (running) await busy.call('Probe.Echo', bytes('x'), soon())
    })
    await busy.call('Probe.Echo', bytes(''), soon())
    expect(text(await other.call('Probe.Echo', bytes('mine'), soon()))).toBe('mine')
    running = false
    await Promise.all(load)
  })

  test('a place is free again after a trap', async () => {
    const budget = new WorkerBudget(1)
    await using first = openPool(probe, {budget})
    await using second = openPool(probe, {budget})
    await expect(first.call('Probe.Trap', bytes(''), soon())).rejects.toThrow(TrapError)
    expect(text(await second.call('Probe.Echo', bytes('mine'), soon()))).toBe('mine')
  })
})

describe('the end', () => {
  test('drain answers what was asked, takes nothing new and ends the workers', async () => {
    const {hostCall, waiting, open: release} = gate()
    const budget = new WorkerBudget(8)
    await using pool = openPool(probe, {count: 1, hostCall, budget})
    const running = pool.call('Probe.Call', callOut, soon())
    const queued = pool.call('Probe.Echo', bytes('queued'), soon())
    await until(() => waiting() === 1, soonMs)
    const drained = pool.drain()
    await expect(pool.call('Probe.Echo', bytes(''), soon())).rejects.toThrow(StoppedError)
    release()
    await drained
    expect([text(await running), text(await queued), budget.alive]).toEqual(['hello', 'queued', 0])
  })

  test('disposing fails what is under way', async () => {
    const {hostCall, waiting} = gate()
    const budget = new WorkerBudget(8)
    const pool = openPool(probe, {count: 1, hostCall, budget})
    const calls = [callOut, callOut].map((payload) =>
      pool.call('Probe.Call', payload, soon()).catch((error: unknown) => error),
    )
    await until(() => waiting() === 1, soonMs)
    await pool[Symbol.asyncDispose]()
    expect(await Promise.all(calls)).toEqual([expect.any(StoppedError), expect.any(StoppedError)])
    expect(budget.alive).toBe(0)
  })

  test('a pool that never worked drains at once', async () => {
    await using pool = openPool(probe)
    await pool.drain()
    expect(pool.stats.workers).toBe(0)
  })
})
