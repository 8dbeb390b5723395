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

/** A module that this host will not run; the sentence never shows any of its bytes. */
export class ModuleError extends UnsafeError {
  readonly reason: ModuleProblem

  constructor(reason: ModuleProblem, why: string, options: {cause?: unknown; suggestions?: readonly string[]} = {}) {
    super(`The module is refused: ${why}.`, {...options, details: {reason}})
    this.reason = reason
  }
}
