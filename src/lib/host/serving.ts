import type {Msg, Subscription} from '@nats-io/transport-node'

import {requestFailure} from '../nats/request.js'
import type {HostContext} from './context.js'

const unsubscribedWithinMs = 2000

/** One queue subscription whose messages are answered, and which can end without losing one. */
export class Serving {
  readonly #context: Pick<HostContext, 'nc' | 'report'>
  readonly #subscription: Subscription
  readonly #running = new Set<Promise<void>>()

  /** Listens as soon as it returns; an answer that fails is told to whoever runs the host. */
  constructor(
    context: Pick<HostContext, 'nc' | 'report'>,
    {subject, queue}: {subject: string; queue?: string},
    answer: (msg: Msg) => Promise<void> | void,
  ) {
    this.#context = context
    this.#subscription = context.nc.subscribe(subject, {
      ...(queue === undefined ? {} : {queue}),
      callback: (error, msg) => {
        // A refused subscription: nothing will ever arrive on it.
        if (error !== null) {
          context.report({kind: 'warning', message: requestFailure(error, subject, 0).message})
          return
        }
        const running = this.#answer(msg, answer).finally(() => this.#running.delete(running))
        this.#running.add(running)
      },
    })
  }

  /**
   * An answer that finds the connection closed is lost, as the question is for whoever asked. No message, whatever it
   * holds, may end the host.
   */
  async #answer(msg: Msg, answer: (msg: Msg) => Promise<void> | void): Promise<void> {
    try {
      await answer(msg)
    } catch (error) {
      const {nc, report} = this.#context
      if (nc.isClosed()) return
      report({kind: 'warning', message: `A message on '${msg.subject}' could not be answered: ${String(error)}`})
    }
  }

  /** Resolves when no further message can arrive; those that did are still being answered. */
  async unsubscribe(): Promise<void> {
    if (this.#context.nc.isClosed() || this.#subscription.isClosed()) return
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
