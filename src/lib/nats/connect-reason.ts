/** Why a connection could not be had: what a sentence ends with, what helps, and a word for scripts. */
export interface ConnectReason {
  /** Stable: `details.reason` of the error. */
  readonly word: ReasonWord
  /** The end of `Cannot connect to 'S': …`, without a full stop. */
  readonly clause: string
  readonly suggestions: readonly string[]
}

export type ReasonWord =
  | 'name-unknown'
  | 'refused'
  | 'unreachable'
  | 'no-answer'
  | 'closed'
  | 'not-nats'
  | 'websocket'
  | 'proxy'
  | 'tls-first-wanted'
  | 'tls-first-unwanted'
  | 'tls-missing'
  | 'tls-failed'
  | 'certificate-authority-unknown'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'certificate-wrong-name'
  | 'client-certificate-wanted'
  | 'client-certificate-refused'
  | 'no-credentials'
  | 'wrong-password'
  | 'wrong-token'
  | 'nkey-unknown'
  | 'user-expired'
  | 'user-not-yet-valid'
  | 'user-revoked'
  | 'user-signer-unknown'
  | 'user-refused'
  | 'account-unknown'
  | 'account-expired'
  | 'no-operator'
  | 'login-refused'
  | 'server-too-old'
  | 'other'

/** Makes a reason. */
export function reason(word: ReasonWord, clause: string, ...suggestions: readonly string[]): ConnectReason {
  return {word, clause, suggestions}
}

/** Nothing was heard in time. */
export function noAnswer(waitedMs: number): ConnectReason {
  return reason('no-answer', `no answer within ${waitedMs} ms`, '--timeout 20s --connect-timeout 20s')
}

/** A point in time, as sentences name it: `2026-01-31T12:00:00Z`. */
export function instant(time: Date | number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? 'an unknown time' : date.toISOString().replace(/\.\d+Z$/, 'Z')
}
