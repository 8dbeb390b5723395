import type {BucketEntry} from './bucket-entry.js'

interface Known {
  readonly revision: number
  readonly created: string
  /** It was in a bucket that is gone, whose revisions say nothing about those of the present one. */
  readonly foreign?: true
}

/** What was yielded last for each key that is there. */
export class KnownKeys {
  readonly #known = new Map<string, Known>()
  #bucket: string | undefined

  get size(): number {
    return this.#known.size
  }

  get keys(): string[] {
    return [...this.#known.keys()]
  }

  /** Names the bucket that is read now, by the time when it was made. */
  enter(created: string): void {
    if (this.#bucket !== undefined && this.#bucket !== created) {
      for (const [key, known] of this.#known) this.#known.set(key, {...known, foreign: true})
    }
    this.#bucket = created
  }

  /** True when it is older than what was yielded: a later revision is gone, or the server does not have it yet. */
  isAhead({key, revision}: BucketEntry): boolean {
    const known = this.#known.get(key)
    return known !== undefined && known.foreign === undefined && known.revision > revision
  }

  /** True when it says something new about its key, which is known then. */
  take({key, operation, revision, created}: BucketEntry): boolean {
    const known = this.#known.get(key)
    if (operation === 'DEL') return this.#known.delete(key)
    if (
      known !== undefined &&
      known.foreign === undefined &&
      known.revision === revision &&
      known.created === created
    ) {
      return false
    }
    this.#known.set(key, {revision, created})
    return true
  }

  /** The deletion of a key that went without anybody having said so. */
  vanish(key: string): BucketEntry {
    const revision = this.#known.get(key)?.revision ?? 0
    this.#known.delete(key)
    const created = new Date().toISOString()
    return {key, operation: 'DEL', value: new Uint8Array(), revision, created, vanished: true}
  }
}
