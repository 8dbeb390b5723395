import type {MessagePort} from 'node:worker_threads'

import type {GuestOutcome, OutgoingCall} from './guest.js'
import type {CompiledModule} from './webassembly.js'

/** What a worker is started with. */
export interface WorkerInput {
  readonly module: CompiledModule
  /** Replies to calls of the guest arrive here, where they can be taken without an event loop. */
  readonly replies: MessagePort
  /** One number that turns from 0 to 1 when a reply is there. */
  readonly flag: Int32Array<SharedArrayBuffer>
}

export interface ToWorker {
  readonly operation: string
  readonly payload: Uint8Array
}

/** `ready`: the guest has started and waits for its first call. */
export type FromWorker =
  | GuestOutcome
  | {readonly kind: 'ready'}
  | {readonly kind: 'log'; readonly line: string}
  | {readonly kind: 'call'; readonly call: OutgoingCall}
