import type {LatticeContextFile, NatsContextFile} from '../nats/context-files.js'

/** A context that is about to be written. */
export interface ContextDraft {
  /** What it is called where it comes from. */
  readonly from: string
  readonly name: string
  readonly nats: NatsContextFile
  readonly lattice: LatticeContextFile
  /** Said of a context that has no description of its own. */
  readonly origin?: string
  /** Seed `SC…` that goes into a file of its own, because a context holds only its path. */
  readonly clusterSeed?: string
  /** What could not be taken over, a clause each. */
  readonly notes: readonly string[]
  /** Why it cannot be used at all. */
  readonly problem?: string
}

/** The contexts of another tool. */
export interface Drafts {
  /** Where they lie. */
  readonly folder: string
  readonly drafts: readonly ContextDraft[]
  /** What the other tool has selected, by its own name for it. */
  readonly preferred?: string
}
