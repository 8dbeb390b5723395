/** What went wrong, in the few ways a script can act on. */
export const errorKinds = [
  'bug',
  'server',
  'usage',
  'ambiguous',
  'notFound',
  'conflict',
  'timeout',
  'gateFailed',
  'partial',
  'unsafe',
  'paused',
  'connection',
  'differs',
  'interrupted',
] as const

export type ErrorKind = (typeof errorKinds)[number]

/** Exit code of each kind; a stable interface. */
export const exitCodes: Readonly<Record<ErrorKind, number>> = {
  bug: 1,
  server: 1,
  usage: 2,
  ambiguous: 3,
  notFound: 4,
  conflict: 5,
  timeout: 6,
  gateFailed: 7,
  partial: 8,
  unsafe: 9,
  paused: 10,
  connection: 11,
  differs: 20,
  interrupted: 130,
}

export interface ErrorOptions {
  /** Lines a user can run or do next. */
  readonly suggestions?: readonly string[]
  /** JSON-safe values behind the sentence; never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
  /** What a person is shown below the sentence, such as a diff; a script finds the same in the details. */
  readonly lines?: readonly string[]
  readonly cause?: unknown
}

/** An expected failure: one sentence, what to do next, and a kind that gives the exit code. */
export abstract class LatticeError extends Error {
  abstract readonly kind: ErrorKind
  readonly suggestions: readonly string[]
  readonly details: Readonly<Record<string, unknown>>
  readonly lines: readonly string[]

  constructor(sentence: string, {suggestions = [], details = {}, lines = [], cause}: ErrorOptions = {}) {
    super(sentence, cause === undefined ? undefined : {cause})
    this.name = new.target.name
    this.suggestions = suggestions
    this.details = details
    this.lines = lines
  }
}

/** The server or a host answered with something unusable, or a stored record fits no known schema. */
export class ServerError extends LatticeError {
  readonly kind: ErrorKind = 'server'
}

/** The arguments cannot be meant; nothing was tried. */
export class UsageError extends LatticeError {
  readonly kind: ErrorKind = 'usage'
}

/** Several things fit; the candidates are in the suggestions. */
export class AmbiguousError extends LatticeError {
  readonly kind: ErrorKind = 'ambiguous'
}

export class NotFoundError extends LatticeError {
  readonly kind: ErrorKind = 'notFound'
}

/** The world moved between read and write; nothing was written. */
export class ConflictError extends LatticeError {
  readonly kind: ErrorKind = 'conflict'
}

/** No answer in time: the outcome is unknown, and a suggestion says how to check. */
export class TimeoutError extends LatticeError {
  readonly kind: ErrorKind = 'timeout'
}

/** Part of the change is live; the details list which. */
export class PartialError extends LatticeError {
  readonly kind: ErrorKind = 'partial'
}

/** A safety rule refused; the suggestions hold the safe way and the exact word that allows it. */
export class UnsafeError extends LatticeError {
  readonly kind: ErrorKind = 'unsafe'
}

/** Cannot connect, not authorised, or a credential that the command needs is missing. */
export class ConnectionError extends LatticeError {
  readonly kind: ErrorKind = 'connection'
}

/** A person stopped it before anything was done. */
export class InterruptedError extends LatticeError {
  readonly kind: ErrorKind = 'interrupted'
}

/** What the command line shows and returns for any thrown value. */
export interface FailureDescription {
  readonly exit: number
  /** Below the sentence, for a person. */
  readonly lines: readonly string[]
  readonly json: {
    readonly kind: ErrorKind
    readonly message: string
    readonly suggestions: readonly string[]
    readonly details: Readonly<Record<string, unknown>>
  }
}

/** Describes any thrown value; what is not a LatticeError is a bug. */
export function describeFailure(error: unknown): FailureDescription {
  if (error instanceof LatticeError) {
    const {kind, message, suggestions, details, lines} = error
    return {exit: exitCodes[kind], lines, json: {kind, message, suggestions, details}}
  }
  const message = error instanceof Error ? error.message : String(error)
  return {
    exit: exitCodes.bug,
    lines: [],
    json: {kind: 'bug', message, suggestions: ['Run again with DEBUG=lattice* to see the stack.'], details: {}},
  }
}
