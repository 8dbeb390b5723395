import {UnsafeError} from '../errors.js'

/** Why a module is refused; a stable word in `details.reason`. */
export type ModuleProblem =
  | 'not-wasm'
  | 'component'
  | 'malformed'
  | 'memory'
  | 'abi'
  | 'unsigned'
  | 'claims'
  | 'signature'
  | 'hash'
  | 'expired'
  | 'early'
  | 'issuer'

export interface ModuleErrorOptions {
  /** What the user calls the module, such as its file. */
  readonly name?: string
  readonly suggestions?: readonly string[]
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A module that this host will not run; the sentence never shows any of its bytes. */
export class ModuleError extends UnsafeError {
  readonly reason: ModuleProblem
  /** The part of the sentence that says why, to be used in others. */
  readonly why: string

  constructor(reason: ModuleProblem, why: string, {name, details, ...options}: ModuleErrorOptions = {}) {
    const module = name === undefined ? 'The module' : `The module ${JSON.stringify(name)}`
    super(`${module} is refused: ${why}.`, {...options, details: {reason, ...details}})
    this.reason = reason
    this.why = why
  }

  /** The same refusal of a module that now has a name. */
  about(name: string, details: Readonly<Record<string, unknown>> = {}): ModuleError {
    return new ModuleError(this.reason, this.why, {name, details, suggestions: this.suggestions, cause: this})
  }
}
