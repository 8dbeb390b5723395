import type {RecordKind} from '../records/registry.js'

/** A record that was not written, and why. */
export interface Unwritten {
  readonly line: number
  readonly kind?: RecordKind
  readonly key?: string
  readonly reason: string
}

/** What an import came to, by numbers of records. */
export interface Counts {
  /** In the bundle. */
  readonly records: number
  readonly created: number
  readonly replaced: number
  /** Were so already. */
  readonly unchanged: number
  /** Something else is there, and the mode lets it stand. */
  readonly kept: number
  /** Of kinds that were not asked for, route records, which only route commands write, and lines whose key comes again. */
  readonly leftOut: number
  /** Do not fit their kind or cannot be stored. */
  readonly refused: number
  /** Somebody else wrote the record meanwhile. */
  readonly conflicts: number
}

const mostListed = 100

/** Counts what becomes of each record, and remembers the first of those that were not written. */
export class Tally {
  readonly #counts: {-readonly [K in keyof Counts]: number} = {
    records: 0,
    created: 0,
    replaced: 0,
    unchanged: 0,
    kept: 0,
    leftOut: 0,
    refused: 0,
    conflicts: 0,
  }
  readonly unwritten: Unwritten[] = []
  leftRoutes = 0

  get counts(): Counts {
    return {...this.#counts}
  }

  /** Records of which it is known what became of them. */
  get settled(): number {
    const {records: _records, ...rest} = this.#counts
    return Object.values(rest).reduce((sum, count) => sum + count, 0)
  }

  get written(): number {
    return this.#counts.created + this.#counts.replaced
  }

  count(what: Exclude<keyof Counts, 'refused' | 'conflicts'>): void {
    this.#counts[what]++
  }

  fail(what: 'refused' | 'conflicts', unwritten: Unwritten): void {
    this.#counts[what]++
    if (this.unwritten.length < mostListed) this.unwritten.push(unwritten)
  }
}
