import {Agent, request} from 'node:http'

/** One request of the load: when it was sent and what came back. */
export interface Sample {
  /** Milliseconds since the epoch. */
  readonly sentAt: number
  readonly answeredAt: number
  /** Version that answered; undefined when the request was lost. */
  readonly version: string | undefined
  readonly reason?: string
}

export interface LoadOptions {
  readonly address: string
  /** Requests a second. */
  readonly rate: number
  /** Beyond so many requests without an answer the next ones wait: a busy machine gets slower, not flooded. */
  readonly most: number
  /** A request without an answer after this long is lost. */
  readonly timeoutMs: number
}

/** A steady stream of HTTP requests that ends when it is told to. */
export class Load {
  readonly samples: Sample[] = []
  readonly #agent = new Agent({keepAlive: true})
  readonly #options: LoadOptions
  readonly #pending = new Map<Promise<void>, number>()
  readonly #started = performance.now()
  #sent = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: LoadOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#pace(), 5)
  }

  /** Sends no more, and resolves when every request has its answer or is lost. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await Promise.all(this.#pending.keys())
    this.#agent.destroy()
  }

  /** Resolves when every request sent before `before` has its answer or is lost. */
  async settled(before: number): Promise<void> {
    await Promise.all([...this.#pending].filter(([, sentAt]) => sentAt < before).map(([pending]) => pending))
  }

  /** How many requests of those sent since `since` have an answer or are lost. */
  countSince(since: number): number {
    let count = 0
    for (let index = this.samples.length - 1; index >= 0 && this.samples[index]!.sentAt >= since - 2000; index--) {
      if (this.samples[index]!.sentAt >= since) count++
    }
    return count
  }

  /** Sends what is due by now, so that a late timer does not lower the rate. */
  #pace(): void {
    const due = Math.floor(((performance.now() - this.#started) / 1000) * this.#options.rate)
    // After a stall of this process the missed ones are not fired all at once.
    const burst = Math.min(due - this.#sent, this.#options.most - this.#pending.size)
    this.#sent = due
    for (let index = 0; index < burst; index++) this.#send()
  }

  #send(): void {
    const sentAt = Date.now()
    const pending = ask(this.#options, this.#agent)
      .then((answer) => void this.samples.push({sentAt, answeredAt: Date.now(), ...answer}))
      .finally(() => this.#pending.delete(pending))
    this.#pending.set(pending, sentAt)
  }
}

function ask({address, timeoutMs}: LoadOptions, agent: Agent): Promise<{version: string | undefined; reason?: string}> {
  return new Promise((resolve) => {
    const lost = (reason: string): void => resolve({version: undefined, reason})
    const outgoing = request(`http://${address}/demo`, {agent, timeout: timeoutMs}, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', (error) => lost(error.message))
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        if (response.statusCode !== 200) return lost(`status ${response.statusCode ?? 0}: ${body.slice(0, 120)}`)
        const version = versionOf(body)
        if (version === undefined) lost('an answer without a version')
        else resolve({version})
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    outgoing.on('error', (error) => lost(error.message))
    outgoing.end()
  })
}

function versionOf(body: string): string | undefined {
  try {
    const {version} = JSON.parse(body) as {version?: unknown}
    return typeof version === 'string' ? version : undefined
  } catch {
    return undefined
  }
}
