import type {AckCandidate} from '../control/dialect.js'
import {byVersion} from '../control/order.js'
import type {Version} from '../entity/version.js'
import {AmbiguousError} from '../errors.js'

/** Several versions of an entity run on this host and the request named none (§8.1 A9). */
export class SeveralVersionsError extends AmbiguousError {
  readonly candidates: readonly AckCandidate[]

  constructor(name: string, candidates: readonly AckCandidate[]) {
    const list = candidates.map(({version, count}) => `${version} × ${count}`).join(', ')
    super(`'${name}' runs here in ${candidates.length} versions (${list}), and the request names none.`, {
      suggestions: candidates.map(({version}) => `"version": ${JSON.stringify(version)}`),
      details: {name, candidates},
    })
    this.candidates = candidates
  }
}

/** What of an entity runs on one host, as far as a choice needs it. */
export interface Choosable {
  readonly name: string
  readonly version: Version | undefined
  readonly count: number
}

/** Names every version in a request. */
export const everyVersion = '*'

/**
 * Those of the running versions that a request means: the one it names, all for `*`, the only one when it names none.
 * Throws a SeveralVersionsError when it names none and there are several; empty when nothing fits.
 */
export function chooseVersions<T extends Choosable>(running: readonly T[], wanted: string | undefined): T[] {
  if (wanted === everyVersion) return [...running]
  if (wanted !== undefined) return running.filter(({version}) => version === wanted)
  if (running.length > 1) {
    const sorted = [...running].sort((a, b) => byVersion(a.version, b.version))
    throw new SeveralVersionsError(
      sorted[0]!.name,
      sorted.map(({version, count}) => ({version: version ?? '?', count})),
    )
  }
  return [...running]
}
