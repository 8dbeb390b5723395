import {ConflictError, NotFoundError} from '../errors.js'

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

/** Somebody else wrote the key after it was read; nothing was written. */
export class RevisionConflictError extends ConflictError {
  readonly key: string
  readonly expected: number
  /** The revision that stands there now; undefined when nothing does. */
  readonly current: number | undefined

  constructor(key: string, expected: number, current: number | undefined, suggestions: readonly string[] = []) {
    const now = current === undefined ? '' : ` at revision ${current}`
    super(
      expected === 0
        ? `The key '${key}' already exists${now}.`
        : `The key '${key}' is no longer at revision ${expected}${current === undefined ? '' : ` but${now}`}.`,
      {suggestions, details: {key, expected, ...(current === undefined ? {} : {current})}},
    )
    this.key = key
    this.expected = expected
    this.current = current
  }
}
