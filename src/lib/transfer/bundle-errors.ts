import {PartialError, UnsafeError, UsageError} from '../errors.js'

/** What is wrong with a bundle as a whole, and the word that lets it be imported all the same. */
export const bundleAllowances = ['incomplete', 'altered', 'redacted'] as const

export type BundleAllowance = (typeof bundleAllowances)[number]

/** The bundle cannot be trusted as a whole; nothing was written. */
export class BundleRefusedError extends UnsafeError {
  constructor(name: string, {word, reason}: {readonly word: BundleAllowance; readonly reason: string}) {
    super(`${name} ${reason}, so nothing was written.`, {suggestions: [`--allow ${word}`], details: {allow: word}})
  }
}

/** What came through a pipe turned out at its end to be cut off or changed; what came was written. */
export class BundleEndError extends PartialError {
  constructor(name: string, {word, reason}: {readonly word: BundleAllowance; readonly reason: string}) {
    super(`${name} ${reason}; the records that came were imported.`, {
      suggestions: ['Import a file: it is checked before anything is written.', `--allow ${word}`],
      details: {allow: word},
    })
  }
}

/** It is no bundle at all. */
export class NoBundleError extends UsageError {
  constructor(name: string, reason: string) {
    super(`${name} ${reason}.`, {suggestions: ['lattice cache export --output backup.jsonl']})
  }
}

export const reasons = {
  incomplete: 'has no last line, as if it was cut off',
  altered: 'is not what its last line says: it was changed or damaged',
  redacted: "was exported without its secrets, which would be overwritten with 'set'",
} as const satisfies Record<BundleAllowance, string>
