import type {BucketEntry} from './bucket-entry.js'

interface Known {
  readonly revision: number
  readonly created: string
}

/**
 * What was yielded last for each key that is there. A bucket that was made anew counts its revisions from one, so that
 * one is known by its time as well.
 */
export class KnownKeys {
  readonly #known = new Map<string, Known>()

  get size(): number {
    return this.#known.size
  }

  get keys(): string[] {
    return [...this.#known.keys()]
  }

  /** True when it counts less than what was yielded: that is gone, the server does not have it yet, or the bucket is new. */
  isAhead({key, revision}: BucketEntry): boolean {
    return (this.#known.get(key)?.revision ?? 0) > revision
  }

  /** True when it says something new about its key, which is known then. */
  take({key, operation, revision, created}: BucketEntry): boolean {
    const known = this.#known.get(key)
    if (operation === 'DEL') return this.#known.delete(key)
    if (known?.revision === revision && known.created === created) return false
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
