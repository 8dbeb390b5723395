import {ConnectionError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import {readSeed} from './creds.js'
import type {ConnectSpec} from './spec.js'

/** The part of a spec that says where the operator's key is. */
export type OperatorKeySpec = Pick<ConnectSpec, 'operatorKeyFile' | 'nscStore' | 'context' | 'timeoutMs'>

/** True when the spec names an operator key at all; whether it is there is found out when it is read. */
export function hasOperatorKey({operatorKeyFile, nscStore}: OperatorKeySpec): boolean {
  return operatorKeyFile !== undefined || nscStore !== undefined
}

/**
 * The operator key that signs accounts: that of the file, else that of the nsc store. Throws a MissingOperatorKeyError
 * when the spec names neither, and a ConnectionError when what it names does not hold one.
 */
export async function readOperatorKey(spec: OperatorKeySpec): Promise<SigningKey> {
  const {operatorKeyFile, nscStore, timeoutMs} = spec
  if (operatorKeyFile !== undefined) {
    return readSeed(operatorKeyFile, {purpose: 'operator key file', kind: 'O', timeoutMs})
  }
  if (nscStore === undefined) throw new MissingOperatorKeyError(spec)
  const {openNscOperator} = await import('../nsc/operator.js')
  const {findOperatorKey} = await import('../nsc/access.js')
  return findOperatorKey(await openNscOperator(nscStore))
}

/** A route change is signed, and nothing says with which key. */
export class MissingOperatorKeyError extends ConnectionError {
  constructor({context}: Pick<OperatorKeySpec, 'context'>) {
    super('An operator signing key is needed and none is known.', {
      suggestions: [
        '--operator-seed-file FILE (or LATTICE_OPERATOR_SEED_FILE)',
        '--nsc-store OPERATOR (or LATTICE_NSC_STORE)',
        ...(context === undefined ? [] : [`"operatorKeyFile" in the lattice part of context '${context}'`]),
      ],
    })
  }
}
