import {availableParallelism} from 'node:os'

import type {WorkerBudget} from './budget.js'
import {type BudgetMember} from './budget.js'
import {DeadlineError, GuestError, StoppedError, TrapError} from './guest-errors.js'
import {checkGuest, type GuestOutcome, type OutgoingCall} from './guest.js'
import {ModuleError} from './module-error.js'
import {limitMemory, pageBytes} from './wasm.js'
import {wasmApi, type CompiledModule} from './webassembly.js'
import {WorkerThread} from './worker-thread.js'

export interface PoolOptions {
  /** Greatest number of concurrent calls. */
  readonly count: number
  /** Shared by all pools of a host. */
  readonly budget: WorkerBudget
  /** Answers what the actor asks of others; rejects with an Error whose message the actor gets. `deadline` is that of the call it runs in, epoch milliseconds. */
  readonly hostCall: (call: OutgoingCall & {readonly deadline: number}) => Promise<Uint8Array>
  /** A line from the actor, as it wrote it. */
  readonly log: (line: string) => void
  /** How long a worker may be idle before it ends, milliseconds; default 10 000. */
  readonly idleMs?: number
  /** Memory that one worker's guest may take; default 256. */
  readonly memoryMiB?: number
}

export interface PoolStats {
  /** Greatest number of concurrent calls. */
  readonly count: number
  /** Workers alive, idle ones included. */
  readonly workers: number
  readonly busy: number
  readonly queued: number
  /** Workers lost to a trap or an overrun so far. */
  readonly replaced: number
}

interface Job {
  readonly operation: string
  readonly payload: Uint8Array
  readonly deadline: number
  readonly resolve: (payload: Uint8Array) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
  slot?: Slot
}

interface Slot {
  readonly thread: WorkerThread
  /** When its guest could be called, epoch milliseconds; undefined while it starts. */
  startedAt?: number
  job?: Job | undefined
  idleTimer?: NodeJS.Timeout | undefined
}

const defaultIdleMs = 10_000
const defaultMemoryMiB = 256
/** How long a pool keeps a worker from another that has none. */
const turnMs = 100
const longestTimer = 0x7fff_ffff
/** Workers of a pool that start at the same time: more than there are cores would all be late. */
const mostStarting = Math.max(2, availableParallelism())
/** A guest that has not started by then never will. */
const longestStartMs = 10_000

/**
 * Runs the calls of one actor on worker threads, one call each: workers start when needed, idle ones end. Calls above
 * `count`, or for which the host has no worker left, wait in line until their deadline.
 */
export class ActorPool implements AsyncDisposable {
  readonly #module: CompiledModule
  readonly #options: PoolOptions
  readonly #queue = new Set<Job>()
  readonly #slots = new Set<Slot>()
  readonly #idle: Slot[] = []
  readonly #endings = new Set<Promise<void>>()
  readonly #member: BudgetMember = {
    wake: () => this.#dispatch(),
    giveUpIdle: () => {
      const slot = this.#idle.shift()
      if (slot !== undefined) this.#end(slot)
      return slot !== undefined
    },
  }
  #count: number
  #busy = 0
  #replaced = 0
  #closed = false
  #drained: (() => void) | undefined

  private constructor(module: CompiledModule, options: PoolOptions) {
    this.#module = module
    this.#options = options
    this.#count = options.count
  }

  /** A pool for a module whose claims were checked; starts no worker. Throws a ModuleError when it is no actor. */
  static open(module: Uint8Array, options: PoolOptions): ActorPool {
    const maxPages = ((options.memoryMiB ?? defaultMemoryMiB) * 2 ** 20) / pageBytes
    const compiled = compile(limitMemory(module, maxPages))
    checkGuest(compiled)
    return new ActorPool(compiled, options)
  }

  get stats(): PoolStats {
    const {size: workers} = this.#slots
    return {count: this.#count, workers, busy: this.#busy, queued: this.#queue.size, replaced: this.#replaced}
  }

  /**
   * Runs one call; `deadline` is in epoch milliseconds. Throws a GuestError when the actor says it failed, a TrapError when
   * it broke off, a DeadlineError when it was too late and a StoppedError when the pool is closed.
   */
  call(operation: string, payload: Uint8Array, deadline: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new StoppedError(operation))
      const wait = Math.min(Math.max(deadline - Date.now(), 0), longestTimer)
      const timer = setTimeout(() => this.#expire(job), wait)
      const job: Job = {operation, payload, deadline, resolve, reject, timer}
      this.#queue.add(job)
      this.#dispatch()
    })
  }

  /** Changes how many calls may run at once; running ones go on. */
  resize(count: number): void {
    this.#count = count
    while (this.#slots.size > count && this.#idle.length > 0) this.#end(this.#idle.shift()!)
    this.#dispatch()
  }

  /** Takes no new calls and resolves when all that were taken are answered and the workers have ended. */
  async drain(): Promise<void> {
    this.#closed = true
    if (this.#busy + this.#queue.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    await this.#endAll()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const job of this.#queue) this.#settle(job, () => job.reject(new StoppedError(job.operation)))
    for (const {job} of this.#slots)
      if (job !== undefined) this.#settle(job, () => job.reject(new StoppedError(job.operation)))
    await this.#endAll()
  }

  #dispatch(): void {
    while (this.#queue.size > 0 && this.#busy < this.#count && this.#idle.length > 0) {
      const [job] = this.#queue
      this.#queue.delete(job!)
      this.#run(job!, this.#idle.pop()!)
    }
    if (this.#startMissing()) this.#options.budget.forget(this.#member)
  }

  /** Starts workers for the calls in line; false when the host has none left. */
  #startMissing(): boolean {
    for (;;) {
      const starting = [...this.#slots].filter(({startedAt}) => startedAt === undefined).length
      if (starting >= Math.min(this.#queue.size, mostStarting) || this.#slots.size >= this.#count) return true
      if (!this.#options.budget.acquire(this.#member)) return false
      this.#startSlot()
    }
  }

  #startSlot(): void {
    const thread = WorkerThread.start(this.#module, {
      call: (call) => this.#options.hostCall({...call, deadline: slot.job?.deadline ?? Date.now()}),
      log: this.#options.log,
    })
    const slot: Slot = {thread}
    const limit = setTimeout(() => this.#fail(slot, `it did not start within ${longestStartMs} ms`), longestStartMs)
    this.#slots.add(slot)
    void thread.started.then(({failure}) => {
      clearTimeout(limit)
      if (!this.#slots.has(slot)) return
      if (failure !== undefined) return this.#fail(slot, failure)
      slot.startedAt = Date.now()
      this.#reuse(slot)
    })
  }

  /** A worker that does not start takes the first call in line with it, so that a broken guest is told and not retried forever. */
  #fail(slot: Slot, reason: string): void {
    const [job] = this.#queue
    this.#replaced += 1
    if (job !== undefined) this.#settle(job, () => job.reject(new TrapError(job.operation, reason)))
    this.#end(slot)
    this.#dispatch()
  }

  #run(job: Job, slot: Slot): void {
    clearTimeout(slot.idleTimer)
    slot.job = job
    job.slot = slot
    this.#busy += 1
    void slot.thread.run(job.operation, job.payload).then((outcome) => {
      if (slot.job === job) this.#finish(job, slot, outcome)
    })
  }

  #finish(job: Job, slot: Slot, outcome: GuestOutcome): void {
    if (outcome.kind === 'trap') {
      this.#replaced += 1
      this.#settle(job, () => job.reject(new TrapError(job.operation, outcome.message)))
      this.#end(slot)
      return this.#dispatch()
    }
    this.#settle(job, () =>
      outcome.kind === 'answer'
        ? job.resolve(outcome.payload)
        : job.reject(new GuestError(job.operation, outcome.message)),
    )
    this.#reuse(slot)
  }

  /** The deadline of a call passed: in line it is answered, on a worker it takes that worker with it. */
  #expire(job: Job): void {
    const {slot} = job
    this.#settle(job, () => job.reject(new DeadlineError(job.operation, slot === undefined ? 'queued' : 'running')))
    if (slot === undefined) return
    this.#replaced += 1
    this.#end(slot)
    this.#dispatch()
  }

  #settle(job: Job, settle: () => void): void {
    clearTimeout(job.timer)
    this.#queue.delete(job)
    if (job.slot !== undefined) {
      job.slot.job = undefined
      this.#busy -= 1
    }
    settle()
    if (this.#busy + this.#queue.size === 0) this.#drained?.()
  }

  #reuse(slot: Slot): void {
    const idle = this.#queue.size === 0
    const hadTurn = slot.startedAt !== undefined && Date.now() - slot.startedAt >= turnMs
    if (this.#slots.size > this.#count || this.#options.budget.shouldYield(this.#member, {idle, hadTurn})) {
      this.#end(slot)
    } else {
      this.#idle.push(slot)
      slot.idleTimer = setTimeout(() => this.#retire(slot), this.#options.idleMs ?? defaultIdleMs)
    }
    this.#dispatch()
  }

  #retire(slot: Slot): void {
    this.#idle.splice(this.#idle.indexOf(slot), 1)
    this.#end(slot)
  }

  /** Ends a worker that is not in the idle list; its place in the budget is free when the thread has gone. */
  #end(slot: Slot): void {
    clearTimeout(slot.idleTimer)
    this.#slots.delete(slot)
    this.#options.budget.leave(this.#member)
    const ending = slot.thread.stop().then(() => {
      this.#endings.delete(ending)
      this.#options.budget.release(this.#member)
    })
    this.#endings.add(ending)
  }

  async #endAll(): Promise<void> {
    this.#options.budget.forget(this.#member)
    this.#idle.length = 0
    for (const slot of this.#slots) this.#end(slot)
    await Promise.all(this.#endings)
  }
}

function compile(wasm: Uint8Array): CompiledModule {
  try {
    return new wasmApi.Module(wasm)
  } catch (cause) {
    throw new ModuleError('malformed', 'it is not a well-formed WebAssembly module', {cause})
  }
}
