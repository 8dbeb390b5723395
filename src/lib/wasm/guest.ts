import {callBuiltin, isBuiltin} from './builtin.js'
import {ModuleError} from './module-error.js'
import {GuestExit, makeWasi, wasiModule} from './wasi.js'
import {wasmApi, type CompiledModule, type ImportFunction, type WasmMemory} from './webassembly.js'

/** A call that a guest makes out of itself. */
export interface OutgoingCall {
  /** Link name. */
  readonly binding: string
  /** Contract id, actor key or call alias. */
  readonly namespace: string
  readonly operation: string
  readonly payload: Uint8Array<ArrayBuffer>
}

export type OutgoingReply =
  {readonly kind: 'answer'; readonly payload: Uint8Array} | {readonly kind: 'error'; readonly message: string}

/** What stands behind a guest; both are synchronous, as the guest's side is. */
export interface GuestHost {
  call: (call: OutgoingCall) => OutgoingReply
  log: (line: string) => void
}

/** How one call into a guest ended. After a trap the guest is in no known state and must not be called again. */
export type GuestOutcome =
  | {readonly kind: 'answer'; readonly payload: Uint8Array<ArrayBuffer>}
  | {readonly kind: 'error'; readonly message: string}
  | {readonly kind: 'trap'; readonly message: string}

/** Real wasmCloud actors import from the first, generic waPC guests from the second. */
const hostModules: readonly string[] = ['wasmbus', 'wapc']
const hostFunctions = [
  '__guest_request',
  '__guest_response',
  '__guest_error',
  '__host_call',
  '__host_response_len',
  '__host_response',
  '__host_error_len',
  '__host_error',
  '__console_log',
] as const
const startFunctions = ['_initialize', '_start', 'wapc_init', 'wasmbus_init']
const longestError = 4096
const nothing = new Uint8Array()

type GuestCall = (operationLength: number, payloadLength: number) => unknown

/** Throws a ModuleError when the module is not a guest of this ABI (reference: wasmcloud v0, §10). */
export function checkGuest(module: CompiledModule): void {
  for (const {module: from, name, kind} of wasmApi.Module.imports(module)) {
    const known = hostModules.includes(from) ? (hostFunctions as readonly string[]).includes(name) : from === wasiModule
    if (!known || kind !== 'function') throw new ModuleError('abi', 'it imports what is not offered here')
  }
  const exports = new Map(wasmApi.Module.exports(module).map(({name, kind}) => [name, kind]))
  if (exports.get('__guest_call') !== 'function' || exports.get('memory') !== 'memory') {
    throw new ModuleError('abi', 'it is no actor: it exports no memory or no "__guest_call"')
  }
}

/** One running instance of a module, started once; a call at a time. */
export class Guest {
  readonly #host: GuestHost
  #memory: WasmMemory | undefined
  #guestCall: GuestCall = () => 0
  #operation: Uint8Array = nothing
  #payload: Uint8Array = nothing
  #response: Uint8Array<ArrayBuffer> = new Uint8Array()
  #error: string | undefined
  #hostResponse: Uint8Array = nothing
  #hostError: Uint8Array = nothing

  private constructor(host: GuestHost) {
    this.#host = host
  }

  /** Makes an instance and runs its start functions; throws what it traps with. */
  static open(module: CompiledModule, host: GuestHost): Guest {
    const guest = new Guest(host)
    const offered = guest.#imports()
    const wasiNames = wasmApi.Module.imports(module).flatMap(({module: from, name}) =>
      from === wasiModule ? [name] : [],
    )
    const wasi = makeWasi(
      {view: () => guest.#view(), bytes: (at, length) => guest.#bytes(at, length), log: host.log},
      wasiNames,
    )
    const {exports} = new wasmApi.Instance(module, {wasmbus: offered, wapc: offered, [wasiModule]: wasi})
    guest.#memory = exports['memory'] as WasmMemory
    guest.#guestCall = exports['__guest_call'] as GuestCall
    for (const name of startFunctions) if (typeof exports[name] === 'function') start(exports[name] as () => unknown)
    return guest
  }

  call(operation: string, payload: Uint8Array): GuestOutcome {
    this.#operation = Buffer.from(operation, 'utf8')
    this.#payload = payload
    this.#response = new Uint8Array()
    this.#error = undefined
    try {
      if (this.#guestCall(this.#operation.length, payload.length) === 1)
        return {kind: 'answer', payload: this.#response}
      return {kind: 'error', message: this.#errorText()}
    } catch (error) {
      return {kind: 'trap', message: trapText(error)}
    }
  }

  #errorText(): string {
    return this.#error ?? 'The actor failed and said no more.'
  }

  #imports(): Record<(typeof hostFunctions)[number], ImportFunction> {
    return {
      __guest_request: (operation: number, payload: number) => {
        this.#write(operation, this.#operation)
        this.#write(payload, this.#payload)
        return undefined
      },
      __guest_response: (at: number, length: number) => {
        this.#response = this.#bytes(at, length).slice()
        return undefined
      },
      __guest_error: (at: number, length: number) => {
        this.#error = this.#text(at, Math.min(length >>> 0, longestError))
        return undefined
      },
      __host_call: (...at: number[]) => this.#hostCall(at as never),
      __host_response_len: () => this.#hostResponse.length,
      __host_response: (at: number) => this.#write(at, this.#hostResponse),
      __host_error_len: () => this.#hostError.length,
      __host_error: (at: number) => this.#write(at, this.#hostError),
      __console_log: (at: number, length: number) => {
        this.#host.log(this.#text(at, length))
        return undefined
      },
    }
  }

  /** The numbers are pointer and length of binding, namespace, operation and payload; 1 is done, 0 failed. */
  #hostCall(at: readonly [number, number, number, number, number, number, number, number]): number {
    const call: OutgoingCall = {
      binding: this.#text(at[0], at[1]),
      namespace: this.#text(at[2], at[3]),
      operation: this.#text(at[4], at[5]),
      payload: this.#bytes(at[6], at[7]).slice(),
    }
    const reply = isBuiltin(call.namespace) ? this.#builtin(call) : this.#host.call(call)
    this.#hostResponse = reply.kind === 'answer' ? reply.payload : nothing
    this.#hostError = reply.kind === 'error' ? Buffer.from(reply.message, 'utf8') : nothing
    return reply.kind === 'answer' ? 1 : 0
  }

  #builtin({operation, payload}: OutgoingCall): OutgoingReply {
    try {
      return {kind: 'answer', payload: callBuiltin(operation, payload, this.#host.log)}
    } catch (error) {
      return {kind: 'error', message: error instanceof Error ? error.message : String(error)}
    }
  }

  #view(): DataView<ArrayBuffer> {
    return new DataView(this.#buffer())
  }

  #bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer()
    if ((at >>> 0) + (length >>> 0) > buffer.byteLength) throw new Error('it pointed outside of its memory')
    return new Uint8Array(buffer, at >>> 0, length >>> 0)
  }

  #text(at: number, length: number): string {
    return Buffer.from(this.#bytes(at, length)).toString('utf8')
  }

  #write(at: number, bytes: Uint8Array): undefined {
    this.#bytes(at, bytes.length).set(bytes)
    return undefined
  }

  #buffer(): ArrayBuffer {
    if (this.#memory === undefined) throw new Error('it called out before it was started')
    return this.#memory.buffer
  }
}

/** Why a guest stopped, as a part of a sentence. */
export function trapText(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, longestError)
}

function start(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof GuestExit && error.code === 0)) throw error
  }
}
