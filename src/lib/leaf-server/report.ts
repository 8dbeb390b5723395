import type {LeafProblem, LeafState} from '../leaf/state.js'

/** What a leaf node tells while it runs. */
export type LeafReport =
  | ({readonly kind: 'ready'; readonly pid: number} & Pick<
      LeafState,
      'id' | 'name' | 'lattice' | 'form' | 'sources' | 'url'
    > & {
        readonly server: LeafState['server']
        readonly remotes: readonly string[]
        /** Whose changes it takes. */
        readonly accepts: readonly string[]
      })
  | {readonly kind: 'note' | 'warning'; readonly message: string}
  | {readonly kind: 'changed'; readonly by: string; readonly sources: readonly string[]}
  | {readonly kind: 'change-refused'; readonly by: string | undefined; readonly message: string}
  | {readonly kind: 'problem'; readonly problem: LeafProblem['kind']; readonly sentence: string}
  | {readonly kind: 'solved'; readonly problem: LeafProblem['kind']; readonly sentence: string}
  | {readonly kind: 'draining'; readonly reason: string}
  | {readonly kind: 'stopped'; readonly id: string}

export type Report = (event: LeafReport) => void
