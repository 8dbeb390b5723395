const [leastMs, mostMs] = [250, 5000]
/** Who was not asked for so long had a connection in between. */
const forgottenMs = 15_000

/**
 * Says how long to wait before a server is dialled again: a quarter to half of the time that it is gone already, so that
 * one that restarts is soon found, and one that lets nobody in is not stormed by all its clients.
 */
export function growingDelay(now: () => number, chance: () => number = Math.random): () => number {
  let since = -Infinity
  let asked = -Infinity
  return () => {
    const time = now()
    if (time - asked > forgottenMs) since = time
    asked = time
    return Math.min(mostMs, Math.max(leastMs, (time - since) / 4)) * (1 + chance())
  }
}
