import type {Msg, NatsConnection, Subscription} from '@nats-io/transport-node'

const unsubscribedWithinMs = 2000

/** One queue subscription whose messages are answered, and which can end without losing one. */
export class Serving {
  readonly #nc: NatsConnection
  readonly #subscription: Subscription
  readonly #running = new Set<Promise<void>>()

  /** Listens as soon as it returns; `answer` must not reject. */
  constructor(
    nc: NatsConnection,
    {subject, queue}: {subject: string; queue?: string},
    answer: (msg: Msg) => Promise<void> | void,
  ) {
    this.#nc = nc
    this.#subscription = nc.subscribe(subject, {
      ...(queue === undefined ? {} : {queue}),
      callback: (error, msg) => {
        // A refused subscription shows in the log of the server; there is no message to answer.
        if (error !== null) return
        const running = this.#answer(msg, answer).finally(() => this.#running.delete(running))
        this.#running.add(running)
      },
    })
  }

  /** An answer that finds the connection closed is lost, as the question is for whoever asked. */
  async #answer(msg: Msg, answer: (msg: Msg) => Promise<void> | void): Promise<void> {
    try {
      await answer(msg)
    } catch (error) {
      if (!this.#nc.isClosed()) throw error
    }
  }

  /** Resolves when no further message can arrive; those that did are still being answered. */
  async unsubscribe(): Promise<void> {
    if (this.#nc.isClosed() || this.#subscription.isClosed()) return
    // Without a connection the server's word does not come; it has forgotten the subscription anyway.
    await settleWithin(this.#subscription.drain(), unsubscribedWithinMs)
    this.#subscription.unsubscribe()
  }

  /** Resolves when all messages that arrived are answered. */
  async finished(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}

/** Resolves when the promise is settled, or after so many milliseconds. */
export async function settleWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
  await Promise.race([promise.catch(() => undefined), late])
  clearTimeout(timer)
}
