import type {Clock} from '../clock.js'
import {isRunning} from '../server/process.js'
import type {LeafAgent} from './agent.js'
import {hubReason, logSince} from './hub-reason.js'
import {writeRecord, type LeafRecord} from './places.js'
import {isPassing, type Problems} from './problems.js'
import {endLeafServer, startLeafServer, type LeafServer, type ServerStart} from './server.js'

/** Restarts are tried after this long, and twice as long each time it does not help. */
const firstDelayMs = 100
const longestDelayMs = 10_000
/** A server that ran for so long is not one that cannot start. */
const steadyMs = 30_000

/** Keeps the server of a leaf node running. */
export class Supervisor implements AsyncDisposable {
  readonly #start: ServerStart
  readonly #clock: Clock
  #server: LeafServer | undefined
  #ended = new AbortController()
  #startedAt: number
  #delayMs = firstDelayMs
  #outlet: {readonly agent: LeafAgent; readonly problems: Problems; readonly record: LeafRecord} | undefined

  private constructor(start: ServerStart, server: LeafServer) {
    this.#start = {...start, listen: server.listen}
    this.#clock = start.clock
    this.#server = server
    this.#startedAt = start.clock.now()
    this.#follow(server)
  }

  static async open(start: ServerStart): Promise<Supervisor> {
    return new Supervisor(start, await startLeafServer(start))
  }

  /** As it runs now, or as it ran last. */
  get server(): LeafServer | undefined {
    return this.#server
  }

  /** Aborted as soon as the server ends. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** Who is told of other servers than the first. */
  tell(agent: LeafAgent, problems: Problems, record: LeafRecord): void {
    this.#outlet = {agent, problems, record}
  }

  /** Starts the server again when it has ended, as often as it takes. */
  async mend(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.#isThere())) {
      await this.#lose()
      const waited = await this.#clock.sleep(this.#delayMs, signal).then(
        () => true,
        () => false,
      )
      this.#delayMs = Math.min(2 * this.#delayMs, longestDelayMs)
      if (waited) await this.#startAgain()
    }
  }

  async #isThere(): Promise<boolean> {
    if (this.#server === undefined || this.#ended.signal.aborted) return false
    if (this.#clock.now() - this.#startedAt > steadyMs) this.#delayMs = firstDelayMs
    return !this.#server.system.connection.isClosed() && (await isRunning(this.#server.process.identity))
  }

  /** Its own reason, where it wrote one. */
  async #lose(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    if (this.#outlet !== undefined) this.#outlet.agent.server = undefined
    const reason = hubReason((await logSince(this.#start.files.serverLog, server.logFrom)).filter(isFatal))
    this.#say(
      `The nats-server of the leaf node ended${reason === undefined ? '' : `: ${reason}`}; it is started again.`,
    )
    await endLeafServer(server, this.#clock)
  }

  async #startAgain(): Promise<void> {
    try {
      const server = await startLeafServer(this.#start)
      this.#server = server
      this.#startedAt = this.#clock.now()
      this.#ended = new AbortController()
      this.#follow(server)
      if (this.#outlet === undefined) return
      const {agent, record} = this.#outlet
      agent.server = server
      await writeRecord(this.#start.folder, {...record, server: server.process.identity})
    } catch (error) {
      if (!isPassing(error)) throw error
      this.#say(`The nats-server of the leaf node does not start: ${error.message.replace(/\.$/, '')}.`)
    }
  }

  #say(sentence: string): void {
    this.#outlet?.problems.add({kind: 'server-lost', sentence})
  }

  #follow({process: {child}}: LeafServer): void {
    const ended = this.#ended
    child.once('exit', () => ended.abort())
    if (child.exitCode !== null || child.signalCode !== null) ended.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server !== undefined) await endLeafServer(this.#server, this.#clock)
  }
}

function isFatal(line: string): boolean {
  return line.includes('[FTL]')
}
