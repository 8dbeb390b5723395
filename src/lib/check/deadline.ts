import {ConnectionError} from '../errors.js'

/** The promise's outcome, or a ConnectionError once the signal is aborted; what comes later is nobody's. */
export function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal, waitedMs: number): Promise<T> {
  promise.catch(() => undefined)
  return Promise.race([
    promise,
    new Promise<never>((_resolve, reject) => {
      const giveUp = (): void => reject(new LateServerError(waitedMs))
      if (signal.aborted) giveUp()
      signal.addEventListener('abort', giveUp, {once: true})
    }),
  ])
}

/** A server that takes a connection and then says nothing is as good as none. */
export class LateServerError extends ConnectionError {
  constructor(waitedMs: number) {
    super(`The server does not answer within ${waitedMs} ms.`, {
      suggestions: ['--timeout 20s'],
      details: {waitedMs, reason: 'silent'},
    })
  }
}
