import type {Msg, NatsConnection} from '@nats-io/transport-node'

import type {LatticeEvent} from './dialect.js'
import {parseEvent} from './v0.js'

const remembered = 1000

/** The events on a subject, each once (some hosts publish twice), until the signal aborts. */
export function watchEvents(
  nc: NatsConnection,
  subject: string,
  signal: AbortSignal,
): AsyncIterableIterator<LatticeEvent> {
  const subscription = nc.subscribe(subject)
  const stop = (): void => subscription.unsubscribe()
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, {once: true})
  return readEvents(subscription, () => signal.removeEventListener('abort', stop))
}

async function* readEvents(messages: AsyncIterable<Msg>, finish: () => void): AsyncGenerator<LatticeEvent> {
  const seen = new Set<string>()
  try {
    for await (const msg of messages) {
      const event = readEvent(msg)
      if (event === undefined || seen.has(event.id)) continue
      seen.add(event.id)
      if (seen.size > remembered) seen.delete(seen.values().next().value!)
      yield event
    }
  } finally {
    finish()
  }
}

function readEvent(msg: Msg): LatticeEvent | undefined {
  try {
    return parseEvent(JSON.parse(msg.string()))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
