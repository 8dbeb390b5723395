import {systemClock, type Clock} from '../clock.js'
import {LatticeError} from '../errors.js'
import {
  MalformedAnswerError,
  NoAnswerError,
  RateLimitedError,
  refusalError,
  UnknownPatchError,
  wordsOf,
  type Asked,
} from './errors.js'
import {sendRequest, type HttpAnswer} from './http.js'
import {parseRetryAfter} from './retry-after.js'
import {shownUrl} from './url.js'

export interface ControlPlaneOptions {
  readonly url: URL
  /** Bearer token; it goes into requests and nowhere else. */
  readonly token: string
  /** Longest time that one question may take, with all its repetitions. */
  readonly timeoutMs: number
  readonly clock?: Clock | undefined
}

/** Asks the HTTP interface of a control plane. */
export class ControlPlane {
  readonly url: URL
  readonly clock: Clock
  readonly timeoutMs: number
  readonly #token: string

  constructor({url, token, timeoutMs, clock = systemClock}: ControlPlaneOptions) {
    this.url = url
    this.clock = clock
    this.timeoutMs = timeoutMs
    this.#token = token
  }

  /** Its address as sentences show it. */
  get shown(): string {
    return shownUrl(this.url)
  }

  /** What may be shown of a text that it sent, which may repeat the token. */
  words(text: string): string {
    return wordsOf(text, this.#token)
  }

  /**
   * The JSON value that is shown at a path below `/api/core/beta`. Reading is repeated while that may help, as long as
   * the timeout allows; throws what refusalError makes of the last answer, a RateLimitedError or a NoAnswerError.
   */
  async get(...parts: readonly string[]): Promise<unknown> {
    const path = pathOf(parts)
    const asked: Asked = `GET ${path}`
    const deadline = this.clock.now() + this.timeoutMs
    for (let attempt = 1; ; attempt++) {
      const result = await this.#tryGet(path, deadline)
      if (!('error' in result)) return parseAnswer(asked, result.text)
      const waitMs = result.waitMs ?? Math.min(2000, 100 * 2 ** attempt)
      if (!result.again || attempt >= 5 || this.clock.now() + waitMs > deadline) throw result.error
      await this.clock.sleep(waitMs)
    }
  }

  /**
   * Sends a change to a path below `/api/core/beta`, once. Throws an UnknownPatchError where it may have been made, a
   * RateLimitedError and others where it was not.
   */
  async patch(parts: readonly string[], body: unknown): Promise<void> {
    const path = pathOf(parts)
    const asked: Asked = `PATCH ${path}`
    let answer: HttpAnswer
    try {
      answer = await this.#send({method: 'PATCH', path, body: JSON.stringify(body), timeoutMs: this.timeoutMs})
    } catch (error) {
      const mayBeDone = error instanceof MalformedAnswerError || (error instanceof NoAnswerError && error.sent)
      throw mayBeDone ? new UnknownPatchError(error) : error
    }
    if (answer.status >= 200 && answer.status < 300) return
    if (answer.status === 429) throw new RateLimitedError(asked, this.#waitOf(answer) ?? 1000)
    const error = this.#refusal(asked, answer)
    throw answer.status >= 500 ? new UnknownPatchError(error) : error
  }

  async #tryGet(path: string, deadline: number): Promise<HttpAnswer | Failure> {
    const asked: Asked = `GET ${path}`
    try {
      const answer = await this.#send({method: 'GET', path, timeoutMs: deadline - this.clock.now()})
      const {status} = answer
      if (status >= 200 && status < 300) return answer
      const waitMs = this.#waitOf(answer)
      if (status === 429)
        return {error: new RateLimitedError(asked, waitMs ?? 1000), again: true, waitMs: waitMs ?? 1000}
      return {error: this.#refusal(asked, answer), again: status >= 500, waitMs}
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
      return {error, again: error instanceof NoAnswerError && error.sent, waitMs: undefined}
    }
  }

  #send(
    request: Pick<Parameters<typeof sendRequest>[0], 'method' | 'path' | 'body' | 'timeoutMs'>,
  ): Promise<HttpAnswer> {
    return sendRequest({...request, base: this.url, token: this.#token})
  }

  #waitOf({retryAfter}: HttpAnswer): number | undefined {
    return parseRetryAfter(retryAfter, this.clock.now())
  }

  #refusal(asked: Asked, {status, text}: HttpAnswer): LatticeError {
    return refusalError({asked, status, words: wordsOf(text, this.#token)})
  }
}

interface Failure {
  readonly error: LatticeError
  /** Whether asking again may help. */
  readonly again: boolean
  readonly waitMs: number | undefined
}

function pathOf(parts: readonly string[]): string {
  return ['/api/core/beta', ...parts.map(encodeURIComponent)].join('/')
}

function parseAnswer(asked: Asked, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MalformedAnswerError(asked, 'is not JSON')
  }
}
