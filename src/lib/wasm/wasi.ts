import {randomFillSync} from 'node:crypto'

import type {ImportFunction} from './webassembly.js'

export const wasiModule = 'wasi_snapshot_preview1'

const done = 0
const badDescriptor = 8
const notOffered = 52
const lastStandardStream = 2
const characterDevice = 2

/** Thrown out of the guest when it ends itself; code 0 in a start function is a normal end. */
export class GuestExit extends Error {
  readonly code: number

  constructor(code: number) {
    super(`it ended itself with code ${code}`)
    this.code = code
  }
}

/** What the WASI functions need of the instance they serve. */
export interface WasiGuest {
  view: () => DataView<ArrayBuffer>
  bytes: (pointer: number, length: number) => Uint8Array<ArrayBuffer>
  log: (text: string) => void
}

/**
 * WASI for guests whose compilers ask for it: clocks, random bytes and text to the log, and no files, network, arguments
 * or environment. What is not here answers "not offered".
 */
export function makeWasi(guest: WasiGuest, names: readonly string[]): Record<string, ImportFunction> {
  const offered = wasiFunctions(guest)
  return Object.fromEntries(names.map((name) => [name, offered[name] ?? ((): number => notOffered)]))
}

function wasiFunctions(guest: WasiGuest): Record<string, ImportFunction> {
  const empty = (first: number, second: number): number => {
    guest.view().setUint32(first >>> 0, 0, true)
    guest.view().setUint32(second >>> 0, 0, true)
    return done
  }
  return {
    args_sizes_get: empty,
    environ_sizes_get: empty,
    args_get: () => done,
    environ_get: () => done,
    sched_yield: () => done,
    fd_close: () => badDescriptor,
    fd_read: () => badDescriptor,
    fd_seek: () => badDescriptor,
    fd_prestat_get: () => badDescriptor,
    fd_prestat_dir_name: () => badDescriptor,
    fd_fdstat_get: (descriptor: number, pointer: number) => {
      if (descriptor < 0 || descriptor > lastStandardStream) return badDescriptor
      guest.bytes(pointer, 24).fill(0)[0] = characterDevice
      return done
    },
    fd_write: (descriptor: number, vectors: number, count: number, written: number) =>
      descriptor === 1 || descriptor === 2 ? write(guest, {vectors, count, written}) : badDescriptor,
    random_get: (pointer: number, length: number) => {
      randomFillSync(guest.bytes(pointer, length))
      return done
    },
    clock_res_get: (_clock: number, pointer: number) => {
      guest.view().setBigUint64(pointer >>> 0, 1_000n, true)
      return done
    },
    clock_time_get: (clock: number, _precision: bigint, pointer: number) => {
      const ms = clock === 0 ? Date.now() : performance.now()
      guest.view().setBigUint64(pointer >>> 0, BigInt(Math.round(ms * 1e6)), true)
      return done
    },
    proc_exit: (code: number) => {
      throw new GuestExit(code)
    },
  }
}

function write(
  guest: WasiGuest,
  at: {readonly vectors: number; readonly count: number; readonly written: number},
): number {
  let total = 0
  const parts: Uint8Array[] = []
  for (let index = 0; index < at.count; index++) {
    const vector = (at.vectors >>> 0) + index * 8
    const length = guest.view().getUint32(vector + 4, true)
    parts.push(guest.bytes(guest.view().getUint32(vector, true), length))
    total += length
  }
  for (const line of Buffer.concat(parts).toString('utf8').split('\n')) if (line !== '') guest.log(line)
  guest.view().setUint32(at.written >>> 0, total, true)
  return done
}
