import {ConflictError, ConnectionError, NotFoundError, ServerError} from '../errors.js'
import type {Change} from '../records/diff.js'

/** The bucket does not exist. */
export class MissingBucketError extends NotFoundError {
  readonly bucket: string

  constructor(bucket: string) {
    super(`There is no bucket '${bucket}'.`, {
      suggestions: ['lattice host ls', 'The first host or the first record makes it: is --lattice the right one?'],
      details: {bucket},
    })
    this.bucket = bucket
  }
}

/** What is known of the other's change. */
export interface ConflictDetails {
  readonly suggestions?: readonly string[]
  /** From what was expected to what stands there now; without secrets. */
  readonly diff?: readonly Change[]
  /** The same for a person. */
  readonly lines?: readonly string[]
  /** Further details. */
  readonly more?: Readonly<Record<string, unknown>>
}

/** Somebody else wrote the key after it was read; nothing was written. */
export class RevisionConflictError extends ConflictError {
  readonly key: string
  readonly expected: number
  /** The revision that stands there now; undefined when nothing does. */
  readonly current: number | undefined

  constructor(key: string, expected: number, current: number | undefined, told: ConflictDetails = {}) {
    const {suggestions = [], diff, lines = [], more = {}} = told
    const now = current === undefined ? '' : ` at revision ${current}`
    super(
      expected === 0
        ? `The key '${key}' already exists${now}.`
        : `The key '${key}' is no longer at revision ${expected}${current === undefined ? '' : ` but${now}`}.`,
      {
        suggestions,
        lines,
        details: {
          key,
          expected,
          ...(current === undefined ? {} : {current}),
          ...(diff === undefined ? {} : {diff}),
          ...more,
        },
      },
    )
    this.key = key
    this.expected = expected
    this.current = current
  }
}

/** The error for a bucket that is there and whose writes nobody takes; `info` is what its stream says. */
export function nobodyTakes(bucket: string, info: Readonly<Record<string, unknown>>, cause: Error): Error {
  const origin = originApi(info)
  const {leader} = (info['cluster'] ?? {leader: 'itself'}) as {leader?: string}
  if (origin !== undefined) {
    return new ConnectionError(
      `The bucket '${bucket}' follows another one, which takes its writes and does not answer.`,
      {
        suggestions: ['Try again when the other JetStream domain can be reached.'],
        details: {bucket, api: origin},
        cause,
      },
    )
  }
  if (leader) {
    return new ConnectionError(`The bucket '${bucket}' can be read, but no write gets to it from here.`, {
      suggestions: ['Behind a leaf node name its JetStream domain: "jetstream_domain" in the context.'],
      details: {bucket},
      cause,
    })
  }
  return new ServerError(`The bucket '${bucket}' has no leader at the moment, so nothing can be written.`, {
    suggestions: ['Try again when enough servers of its cluster run.'],
    details: {bucket},
    cause,
  })
}

/** API prefix of the domain whose bucket this one follows; undefined for one of its own. */
export function originApi(info: Readonly<Record<string, unknown>>): string | undefined {
  const {mirror} = (info['config'] ?? {}) as {mirror?: {external?: {api?: string}}}
  return mirror?.external?.api
}
