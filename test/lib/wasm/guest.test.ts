import {decode, encode} from '@msgpack/msgpack'
import {beforeAll, describe, expect, test} from 'vitest'

import {WorkerBudget} from '../../../src/lib/wasm/budget.js'
import {DeadlineError, GuestError, TrapError} from '../../../src/lib/wasm/guest-errors.js'
import {compileGuest, compileSource} from '../../support/guests.js'
import {bytes, callOut, gate, openPool, soon, soonMs, text} from '../../support/pools.js'
import {until} from '../../support/until.js'

let probe: Uint8Array
beforeAll(async () => {
  probe = await compileGuest('probe')
})

describe('guests', () => {
  test('guests that import from "wapc" are served alike', async () => {
    await using pool = openPool(await compileGuest('probe', {importFrom: 'wapc'}), {
      hostCall: ({payload}) => Promise.resolve(payload),
    })
    expect(text(await pool.call('Probe.Call', callOut, soon()))).toBe('hello')
  })

  test('the echo actor answers HTTP requests with its version', async () => {
    await using pool = openPool(await compileGuest('echo', {version: '2.0.0'}))
    const request = {
      path: '/a',
      header: {x: ['1']},
      method: 'POST',
      body: bytes('"hé"\n'),
      queryString: 'q=1',
      extra: [{}],
    }
    const answer = decode(await pool.call('HttpServer.HandleRequest', encode(request), soon())) as {body: Uint8Array}
    expect(answer).toMatchObject({
      statusCode: 200,
      header: {'content-type': ['application/json'], 'x-version': ['2.0.0']},
    })
    expect(JSON.parse(text(answer.body))).toEqual({
      version: '2.0.0',
      method: 'POST',
      path: '/a',
      query: 'q=1',
      body: '"hé"\n',
    })
    await expect(pool.call('HttpServer.HandleRequest', bytes('no'), soon())).rejects.toThrow(GuestError)
  })
})

describe('guests that go wrong', () => {
  test.each([
    ['Probe.Trap', 'unreachable'],
    ['Probe.Recurse', 'Maximum call stack size exceeded'],
    ['Probe.Outside', 'it pointed outside of its memory'],
  ])('%s loses its worker only', async (operation, reason) => {
    const {hostCall, waiting, open: release} = gate()
    await using pool = openPool(probe, {hostCall})
    const other = pool.call('Probe.Call', callOut, soon())
    await until(() => waiting() === 1, soonMs)
    const error = await pool.call(operation, bytes(''), soon()).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TrapError)
    expect((error as Error).message).toBe(`The actor broke off "${operation}": ${reason}.`)
    expect(pool.stats).toMatchObject({workers: 1, replaced: 1})
    expect(text(await pool.call('Probe.Echo', bytes('next'), soon()))).toBe('next')
    release()
    expect(text(await other)).toBe('hello')
  })

  test('a call that never ends is ended at its deadline, while others answer', async () => {
    await using pool = openPool(probe)
    // What has not begun to run at its deadline ends otherwise.
    await pool.call('Probe.Echo', bytes('first'), soon())
    const deadline = Date.now() + 1000
    const endless = pool.call('Probe.Loop', bytes(''), deadline).catch((error: unknown) => error)
    let answered = 0
    while (Date.now() < deadline - 50) {
      await pool.call('Probe.Echo', bytes('x'), soon())
      answered += 1
    }
    expect(answered).toBeGreaterThan(0)
    expect(await endless).toMatchObject({kind: 'timeout', details: {phase: 'running', operation: 'Probe.Loop'}})
    expect(pool.stats.replaced).toBe(1)
    expect(text(await pool.call('Probe.Echo', bytes('next'), soon()))).toBe('next')
  })

  test('one worker at most is replaced in time for the call that waits for it', async () => {
    await using pool = openPool(probe, {count: 1, budget: new WorkerBudget(1)})
    const endless = pool.call('Probe.Loop', bytes(''), Date.now() + 100).catch((error: unknown) => error)
    const next = pool.call('Probe.Echo', bytes('next'), soon())
    expect(await endless).toBeInstanceOf(DeadlineError)
    expect(text(await next)).toBe('next')
  })

  test('memory stops growing inside the guest', async () => {
    await using pool = openPool(probe, {memoryMiB: 8})
    const pages = Number(text(await pool.call('Probe.Grow', bytes(''), soon())))
    expect(pages).toBeGreaterThan(0)
    expect(pages).toBeLessThanOrEqual(128)
    expect(text(await pool.call('Probe.Echo', bytes('x'), soon()))).toBe('x')
  })

  test('a start that traps or loops fails the call and not the host', async () => {
    const source = (body: string): string =>
      `export function __guest_call(a: i32, b: i32): i32 { return 1 }\nexport function _start(): void { ${body} }`
    await using trapping = openPool(await compileSource(source('unreachable()')))
    await expect(trapping.call('Any.Thing', bytes(''), soon())).rejects.toThrow(TrapError)
    await using looping = openPool(await compileSource(source('while (true) {}')))
    await expect(looping.call('Any.Thing', bytes(''), Date.now() + 200)).rejects.toThrow(DeadlineError)
  })
})

describe('modules that are no actors', () => {
  const guest = 'export function __guest_call(a: i32, b: i32): i32 { return 1 }\n'

  test.each([
    ['no "__guest_call"', 'export function other(): void {}'],
    [
      'an unknown import',
      `@external('env', 'x')\ndeclare function x(): void\n${guest}export function y(): void { x() }`,
    ],
    [
      'an unknown waPC function',
      `@external('wapc', '__host_exec')\ndeclare function x(): void\n${guest}export function y(): void { x() }`,
    ],
  ])('%s', async (_, source) => {
    const wasm = await compileSource(source)
    expect(() => openPool(wasm)).toThrow(expect.objectContaining({reason: 'abi', kind: 'unsafe'}))
  })

  test('code that does not compile', () => {
    const broken = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 1, 9)
    expect(() => openPool(broken)).toThrow(expect.objectContaining({reason: 'malformed'}))
  })

  test('WASI is there without files, arguments or environment', async () => {
    const lines: string[] = []
    const wasm = await compileSource(`
      @external('wasi_snapshot_preview1', 'fd_write') declare function fdWrite(fd: i32, at: usize, n: i32, out: usize): i32
      @external('wasi_snapshot_preview1', 'path_open') declare function pathOpen(a: i32): i32
      @external('wasi_snapshot_preview1', 'fd_prestat_get') declare function prestat(fd: i32, at: usize): i32
      @external('wasi_snapshot_preview1', 'environ_sizes_get') declare function environment(n: usize, size: usize): i32
      @external('wasi_snapshot_preview1', 'random_get') declare function random(at: usize, n: i32): i32
      @external('wasi_snapshot_preview1', 'clock_time_get') declare function time(id: i32, p: i64, at: usize): i32
      @external('wasi_snapshot_preview1', 'proc_exit') declare function exit(code: i32): void
      @external('wasmbus', '__guest_response') declare function respond(at: usize, n: i32): void
      export function _start(): void { exit(0) }
      export function __guest_call(a: i32, b: i32): i32 {
        const text = String.UTF8.encode('to the log\\n')
        const vector = new StaticArray<u32>(2)
        vector[0] = changetype<usize>(text) as u32
        vector[1] = text.byteLength
        const out = new StaticArray<i32>(8)
        const at = changetype<usize>(out)
        out[0] = fdWrite(1, changetype<usize>(vector), 1, at + 4)
        out[2] = pathOpen(3)
        out[3] = prestat(3, at + 24)
        out[4] = environment(at + 20, at + 24) + out[5] + out[6]
        out[5] = random(at + 24, 4)
        const clock = new StaticArray<u64>(1)
        out[6] = time(0, 0, changetype<usize>(clock))
        out[7] = clock[0] > 1600000000000000000 ? 1 : 0
        respond(at, 32)
        return 1
      }`)
    await using pool = openPool(wasm, {log: (line) => void lines.push(line)})
    const answer = Buffer.from(await pool.call('Any.Thing', bytes(''), soon()))
    const numbers = Array.from({length: 8}, (_, index) => answer.readInt32LE(index * 4))
    expect(numbers).toEqual([0, 11, 52, 8, 0, 0, 0, 1])
    expect(lines).toEqual(['to the log'])
  })
})

describe('calls out of a guest', () => {
  test('the answer comes back into the call that asked, with its deadline', async () => {
    const asked: unknown[] = []
    const deadline = soon()
    await using pool = openPool(probe, {
      hostCall: ({payload, ...call}) => {
        asked.push(call)
        return Promise.resolve(bytes(`${text(payload)} back`))
      },
    })
    expect(text(await pool.call('Probe.Call', callOut, deadline))).toBe('hello back')
    expect(asked).toEqual([{binding: 'default', namespace: 'MOTHER', operation: 'Other.Do', deadline}])
  })

  test('a failure is an error text for the guest', async () => {
    await using pool = openPool(probe)
    await expect(pool.call('Probe.Call', callOut, soon())).rejects.toThrow('Nobody is there.')
    expect(pool.stats.replaced).toBe(0)
  })

  test('an actor may call itself on another worker', async () => {
    await using pool = openPool(probe, {hostCall: ({payload, deadline}) => pool.call('Probe.Echo', payload, deadline)})
    expect(text(await pool.call('Probe.Call', callOut, soon()))).toBe('hello')
  })

  test('a call out that is never answered ends with the deadline of the call in', async () => {
    await using pool = openPool(probe, {hostCall: () => new Promise(() => undefined)})
    await expect(pool.call('Probe.Call', callOut, Date.now() + 200)).rejects.toThrow(DeadlineError)
  })

  test('large payloads go out and come back', async () => {
    await using pool = openPool(probe, {hostCall: ({payload}) => Promise.resolve(payload)})
    const large = Buffer.concat([Buffer.from('b\nn\no\n'), Buffer.alloc(3_000_000, 'x')])
    expect(await pool.call('Probe.Call', large, soon())).toHaveLength(3_000_000)
  })

  test('the built-in namespaces are answered by the host', async () => {
    const lines: string[] = []
    await using pool = openPool(probe, {log: (line) => void lines.push(line)})
    const call = async (namespace: string, operation: string, payload: unknown): Promise<unknown> => {
      const head = Buffer.from(`default\nwasmcloud:builtin:${namespace}\n${operation}\n`)
      const answer = await pool.call('Probe.Call', Buffer.concat([head, encode(payload)]), soon())
      return answer.length === 0 ? undefined : decode(answer)
    }
    expect(await call('logging', 'Logging.WriteLog', {level: 'warn', text: 'careful'})).toBeUndefined()
    expect(lines).toEqual(['warn: careful'])
    expect(await call('numbergen', 'NumberGen.GenerateGuid', null)).toMatch(/^[0-9a-f-]{36}$/)
    expect(await call('numbergen', 'NumberGen.Random32', null)).toBeTypeOf('number')
    expect(await call('numbergen', 'NumberGen.RandomInRange', {min: 7, max: 7})).toBe(7)
    await expect(call('numbergen', 'NumberGen.RandomInRange', {min: 8, max: 7})).rejects.toThrow(GuestError)
    await expect(call('numbergen', 'NumberGen.Dice', null)).rejects.toThrow(GuestError)
  })

  test('a guest that logs without end does not fill the host', async () => {
    const lines: string[] = []
    await using pool = openPool(probe, {log: (line) => void lines.push(line)})
    await pool.call('Probe.Log', bytes('100000'), soon())
    expect(lines).toHaveLength(256)
    expect(lines.at(-1)).toBe('more lines of this call are left out')
  })
})
