import {verify, type SigningKey} from '../keys/nkey.js'
import type {Signed} from './state.js'

/** What a signature is for: one for the one is none for the other. */
export type Purpose = 'lattice leaf change' | 'lattice leaf state'

/** The text with a user's word for it. */
export function signText(key: Pick<SigningKey, 'publicKey' | 'sign'>, purpose: Purpose, text: string): Signed {
  const signature = Buffer.from(key.sign(bytesOf(purpose, text))).toString('base64url')
  return {text, by: key.publicKey, signature}
}

/** True when the key that is named said just this, and is one of the accepted ones. */
export function isSignedBy(accepted: readonly string[], purpose: Purpose, {text, by, signature}: Signed): boolean {
  return accepted.includes(by) && verify(by, bytesOf(purpose, text), Buffer.from(signature, 'base64url'))
}

/** Begins as no token does and no server's challenge, so that neither can be made of it. */
function bytesOf(purpose: Purpose, text: string): Uint8Array {
  return Buffer.from(`${purpose}\n${text}`)
}
