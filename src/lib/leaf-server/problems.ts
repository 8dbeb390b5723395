import type {Clock} from '../clock.js'
import {LatticeError} from '../errors.js'
import type {LeafProblem} from '../leaf/state.js'
import type {Report} from './report.js'

/** Something that is wrong at the moment. */
export type Found = Pick<LeafProblem, 'kind' | 'sentence'>

/** True for what may be over by itself: files that cannot be written now are no reason to leave callers alone. */
export function isPassing(error: unknown): error is Error {
  return error instanceof LatticeError || (error instanceof Error && 'syscall' in error)
}

/** What is wrong with a leaf node, each told when it begins and when it ends. */
export class Problems {
  readonly #clock: Clock
  readonly #report: Report
  readonly #changed: (problems: readonly LeafProblem[]) => void
  #present: readonly LeafProblem[] = []

  constructor(
    {clock, report}: {readonly clock: Clock; readonly report: Report},
    changed: (problems: readonly LeafProblem[]) => void,
  ) {
    this.#clock = clock
    this.#report = report
    this.#changed = changed
  }

  /** All that is wrong now; what is not among it is over. */
  tell(found: readonly Found[]): void {
    const before = this.#present
    const since = new Date(this.#clock.now()).toISOString()
    this.#present = found.map(({kind, sentence}) => {
      const known = before.find((problem) => problem.kind === kind)
      return {kind, sentence: sentence.slice(0, 1000), since: known?.since ?? since}
    })
    this.#changed(this.#present)
    for (const {kind, sentence} of this.#present) {
      const isNew = !before.some((problem) => problem.kind === kind && problem.sentence === sentence)
      if (isNew) this.#report({kind: 'problem', problem: kind, sentence})
    }
    for (const {kind, sentence} of before) {
      if (!found.some((problem) => problem.kind === kind)) this.#report({kind: 'solved', problem: kind, sentence})
    }
  }

  /** One more, beside those there are. */
  add(found: Found): void {
    this.tell([...this.#present.filter(({kind}) => kind !== found.kind), found])
  }
}
