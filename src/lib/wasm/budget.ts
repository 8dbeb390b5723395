/** Who takes workers from a budget. */
export interface BudgetMember {
  /** A worker may be free: ask again for what is still needed. */
  wake: () => void
  /** Gives up one idle worker; false when there is none. */
  giveUpIdle: () => boolean
}

interface Share {
  alive: number
  leaving: number
}

/**
 * The workers of a whole host: at most so many are alive, over all pools. When they are all taken, pools take turns: one
 * that has workers to spare gives one up between two calls, never in the middle of one.
 */
export class WorkerBudget {
  readonly maxWorkers: number
  readonly #shares = new Map<BudgetMember, Share>()
  readonly #waiting = new Set<BudgetMember>()
  #alive = 0
  #leaving = 0

  constructor(maxWorkers: number) {
    this.maxWorkers = maxWorkers
  }

  /** Workers alive now, over all pools. */
  get alive(): number {
    return this.#alive
  }

  /** Takes a place for one worker; false means none is free, and `wake` follows when one is. */
  acquire(member: BudgetMember): boolean {
    if (this.#alive < this.maxWorkers) {
      this.#waiting.delete(member)
      this.#alive += 1
      this.#share(member).alive += 1
      return true
    }
    this.#waiting.add(member)
    if (this.#leaving < this.#waiting.size) this.#askForIdle(member)
    return false
  }

  /** No longer waits. */
  forget(member: BudgetMember): void {
    this.#waiting.delete(member)
  }

  /** A worker is about to end; its place is free only when it has. */
  leave(member: BudgetMember): void {
    this.#share(member).leaving += 1
    this.#leaving += 1
  }

  /** A worker that was about to end has ended. */
  release(member: BudgetMember): void {
    const share = this.#share(member)
    share.alive -= 1
    share.leaving -= 1
    if (share.alive === 0) this.#shares.delete(member)
    this.#alive -= 1
    this.#leaving -= 1
    while (this.#alive < this.maxWorkers) {
      const next = this.#neediest()
      if (next === undefined) return
      this.#waiting.delete(next)
      next.wake()
    }
  }

  /**
   * True when a worker of this pool that has just ended a call should make room for a pool that waits: when it has
   * nothing to do, when the other has two fewer, or when the other has none and this one had its turn.
   */
  shouldYield(member: BudgetMember, {idle, hadTurn}: {readonly idle: boolean; readonly hadTurn: boolean}): boolean {
    if (this.#waiting.size <= this.#leaving) return false
    const next = this.#neediest(member)
    if (next === undefined) return false
    const [mine, theirs] = [this.#active(member), this.#active(next)]
    return idle || theirs + 1 < mine || (theirs === 0 && hadTurn)
  }

  #askForIdle(except: BudgetMember): void {
    for (const member of this.#shares.keys()) if (member !== except && member.giveUpIdle()) return
  }

  #neediest(except?: BudgetMember): BudgetMember | undefined {
    let best: BudgetMember | undefined
    for (const member of this.#waiting) {
      if (member !== except && (best === undefined || this.#active(member) < this.#active(best))) best = member
    }
    return best
  }

  #active(member: BudgetMember): number {
    const share = this.#shares.get(member)
    return share === undefined ? 0 : share.alive - share.leaving
  }

  #share(member: BudgetMember): Share {
    let share = this.#shares.get(member)
    if (share === undefined) this.#shares.set(member, (share = {alive: 0, leaving: 0}))
    return share
  }
}
