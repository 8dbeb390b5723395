/** A set of revisions that are mostly consecutive, kept as ranges so that it stays small. */
export class RevisionSet {
  /** First and last of each range, in order. */
  readonly #ranges: [number, number][] = []

  add(revision: number): void {
    const last = this.#ranges[this.#ranges.length - 1]
    if (last === undefined || revision > last[1] + 1) {
      this.#ranges.push([revision, revision])
      return
    }
    if (revision === last[1] + 1) {
      last[1] = revision
      return
    }
    if (!this.has(revision)) this.#insert(revision)
  }

  has(revision: number): boolean {
    const start = this.#ranges[this.#find(revision)]?.[0]
    return start !== undefined && start <= revision
  }

  /** The first range that does not end before it. */
  #find(revision: number): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#ranges[middle]![1] < revision) low = middle + 1
      else high = middle
    }
    return low
  }

  #insert(revision: number): void {
    const at = this.#find(revision)
    const [before, after] = [this.#ranges[at - 1], this.#ranges[at]]
    const joinsBefore = before?.[1] === revision - 1
    const joinsAfter = after?.[0] === revision + 1
    if (joinsBefore && joinsAfter) this.#ranges.splice(at - 1, 2, [before[0], after[1]])
    else if (joinsBefore) before[1] = revision
    else if (joinsAfter) after[0] = revision
    else this.#ranges.splice(at, 0, [revision, revision])
  }
}
