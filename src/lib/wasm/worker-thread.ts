import {join} from 'node:path'
import {MessageChannel, Worker} from 'node:worker_threads'

import {packageFolder} from '../files/package.js'

import type {GuestOutcome, OutgoingCall, OutgoingReply} from './guest.js'
import type {CompiledModule} from './webassembly.js'
import type {FromWorker, ToWorker, WorkerInput} from './worker-messages.js'

/** What a guest's worker may ask of the host. */
export interface ThreadHost {
  /** Rejects with an Error whose message is for the guest. */
  readonly call: (call: OutgoingCall) => Promise<Uint8Array>
  readonly log: (line: string) => void
}

/** Bounds of a worker's own JavaScript heap; a guest's memory is bounded in the module. */
const resourceLimits = {maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 4}

/** A thread with one guest; whatever that guest does, ends with the thread. */
export class WorkerThread {
  readonly exited: Promise<void>
  /** Resolves when the guest can be called, or with the reason why it never will. */
  readonly started: Promise<{readonly failure?: string}>
  readonly #worker: Worker
  readonly #host: ThreadHost
  readonly #reply: (reply: OutgoingReply) => void
  #settle: ((outcome: GuestOutcome) => void) | undefined
  #start!: (result: {readonly failure?: string}) => void
  #ended: GuestOutcome | undefined

  private constructor(module: CompiledModule, host: ThreadHost) {
    this.started = new Promise((resolve) => (this.#start = resolve))
    const {port1: near, port2: far} = new MessageChannel()
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const workerData: WorkerInput = {module, replies: far, flag}
    this.#host = host
    this.#worker = new Worker(workerFile(), {workerData, transferList: [far], resourceLimits, env: {}, execArgv: []})
    this.#reply = (reply) => {
      near.postMessage(reply, reply.kind === 'answer' ? [reply.payload.buffer as ArrayBuffer] : [])
      Atomics.store(flag, 0, 1)
      Atomics.notify(flag, 0)
    }
    this.#worker.on('message', (message: FromWorker) => this.#onMessage(message))
    this.#worker.on('error', (error: NodeJS.ErrnoException) => this.#end(failureText(error)))
    this.exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        near.close()
        this.#end('its thread ended')
        resolve()
      })
    })
  }

  /** Starts a thread, and its guest there. */
  static start(module: CompiledModule, host: ThreadHost): WorkerThread {
    return new WorkerThread(module, host)
  }

  /** Runs one call, when none is running; resolves also when the guest or the thread dies. */
  run(operation: string, payload: Uint8Array): Promise<GuestOutcome> {
    if (this.#ended !== undefined) return Promise.resolve(this.#ended)
    return new Promise((resolve) => {
      this.#settle = resolve
      // A payload is often a view of a larger buffer that others still read: its own bytes are copied once and moved.
      const copy = new Uint8Array(payload)
      const message: ToWorker = {operation, payload: copy}
      this.#worker.postMessage(message, [copy.buffer])
    })
  }

  /** Ends the thread, in the middle of a call if need be. */
  async stop(): Promise<void> {
    await this.#worker.terminate()
    await this.exited
  }

  #onMessage(message: FromWorker): void {
    switch (message.kind) {
      case 'log':
        return this.#host.log(message.line)
      case 'call':
        return void this.#answer(message.call)
      case 'ready':
        return this.#start({})
      case 'trap':
        return this.#end(message.message)
      case 'answer':
      case 'error':
        return this.#finish(message)
    }
  }

  async #answer(call: OutgoingCall): Promise<void> {
    try {
      this.#reply({kind: 'answer', payload: new Uint8Array(await this.#host.call(call))})
    } catch (error) {
      this.#reply({kind: 'error', message: error instanceof Error ? error.message : String(error)})
    }
  }

  #end(message: string): void {
    this.#ended ??= {kind: 'trap', message}
    this.#start({failure: message})
    this.#finish(this.#ended)
  }

  #finish(outcome: GuestOutcome): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(outcome)
  }
}

/** The built worker, also for sources under test: a thread cannot run TypeScript that imports `.js`. */
function workerFile(): string {
  return join(packageFolder(), 'dist', 'program', 'worker.js')
}

function failureText(error: NodeJS.ErrnoException): string {
  return error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it ran out of memory' : error.message
}
