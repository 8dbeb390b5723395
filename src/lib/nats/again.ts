import type {NatsConnection} from '@nats-io/transport-node'

/** What no server can be expected to answer within; milliseconds. */
const leastMs = 20

export interface RepeatOptions {
  /** What is silent for so long may have been lost on the way; default two seconds. */
  readonly silenceMs?: number
}

/**
 * Runs an attempt, and one more whenever the connection comes back after it was lost, or nothing was heard for a while:
 * a server that dies takes with it what it was asked, and a group of servers without a leader drops it. The first
 * attempt that ends decides. Only for what may be done twice.
 */
export function repeatUntilAnswered<T>(
  nc: NatsConnection,
  timeoutMs: number,
  attempt: (leftMs: number) => Promise<T>,
  {silenceMs = 2000}: RepeatOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearInterval(silence)
      stop()
    }
    const ask = (): void => {
      attempt(Math.max(1, deadline - performance.now()))
        .finally(finish)
        .then(resolve, reject)
    }
    // An attempt that has no time left would only say so in place of the first one.
    const askAgain = (): void => {
      if (deadline - performance.now() > leastMs) ask()
    }
    const stop = onReconnect(nc, askAgain)
    const silence = setInterval(askAgain, silenceMs)
    ask()
  })
}

/**
 * Calls back whenever the connection came back after it was lost, and once when it will not come back, until the function
 * that it returns is called.
 */
export function onReconnect(nc: NatsConnection, back: () => void, gone: () => void = () => undefined): () => void {
  const events = nc.status()
  const follow = async (): Promise<void> => {
    for await (const {type} of events) {
      if (type === 'reconnect') back()
      if (type === 'close') gone()
    }
  }
  void follow()
  // The client ends it so itself, but its interface does not show it.
  return () => (events as {stop?: () => void}).stop?.()
}
