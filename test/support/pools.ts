import {WorkerBudget} from '../../src/lib/wasm/budget.js'
import {ActorPool, type PoolOptions} from '../../src/lib/wasm/pool.js'

/** How long the tests of pools wait for what should happen at once. */
export const soonMs = 10_000
export const soon = (): number => Date.now() + soonMs

/** A pool with a budget of its own, whose actor finds nobody to call. */
export function openPool(wasm: Uint8Array, options: Partial<PoolOptions> = {}): ActorPool {
  return ActorPool.open(wasm, {
    count: 4,
    budget: new WorkerBudget(8),
    hostCall: () => Promise.reject(new Error('Nobody is there.')),
    log: () => undefined,
    ...options,
  })
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

export function bytes(value: string): Uint8Array {
  return Buffer.from(value)
}

/** What makes the probe actor call out and answer what comes back. */
export const callOut = bytes('default\nMOTHER\nOther.Do\nhello')

export interface Gate {
  readonly hostCall: PoolOptions['hostCall']
  waiting: () => number
  open: () => void
}

/** Calls out of a guest that are answered, with what they hold, when the test says so. */
export function gate(): Gate {
  const waiting: (() => void)[] = []
  return {
    hostCall: ({payload}) => new Promise((resolve) => waiting.push(() => resolve(payload))),
    waiting: () => waiting.length,
    open: () => {
      for (const release of waiting.splice(0)) release()
    },
  }
}
