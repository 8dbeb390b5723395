import type {NatsConnection} from '@nats-io/transport-node'

/** Requests to a subject, one after the other on some lanes, until it is disposed; failures are counted. */
export interface Pump extends AsyncDisposable {
  readonly failures: () => number
}

/** Starts the requests; each lane waits for its answers, so that a slow machine is not flooded. */
export function startPump(nc: NatsConnection, subject: string, lanes = 8): Pump {
  let running = true
  let failed = 0
  const lane = async (): Promise<void> => {
    while (running) {
      await nc.request(subject, '', {timeout: 5000}).catch(() => {
        failed++
      })
    }
  }
  const ended = Promise.all(Array.from({length: lanes}, lane))
  return {
    failures: () => failed,
    [Symbol.asyncDispose]: async () => {
      running = false
      await ended
    },
  }
}
