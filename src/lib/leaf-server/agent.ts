import {randomBytes} from 'node:crypto'

import type {Msg, NatsConnection, Subscription} from '@nats-io/transport-node'
import {z} from 'zod'

import type {Clock} from '../clock.js'
import {ConnectionError, LatticeError} from '../errors.js'
import {signText} from '../leaf/sign.js'
import {askSchema, type ChangeReply, type LeafProblem, type LeafState} from '../leaf/state.js'
import {leafSubjects} from '../leaf/subjects.js'
import {request} from '../nats/request.js'
import {applyChange, failureReply, OtherStateError, parseChange, type ChangeRules} from './change.js'
import {splitAccount} from './config.js'
import {mayBeRenewed, readLeafKeys, type KeySources, type LeafKeys} from './keys.js'
import type {leafFiles, LeafRecord} from './places.js'
import {isLinked, openLeafFile, readTable, type Place} from './reading.js'
import type {Report} from './report.js'
import type {LeafServer} from './server.js'
import {formatListen} from './settings.js'
import {digestOf} from './table.js'

export interface AgentOptions {
  readonly hub: NatsConnection
  readonly record: Pick<LeafRecord, 'id' | 'name' | 'lattice' | 'form' | 'sources'>
  readonly files: ReturnType<typeof leafFiles>
  readonly keys: KeySources
  readonly clock: Clock
  readonly report: Report
  readonly timeoutMs: number
  /** After each change, whether it went well or not. */
  readonly onChange: () => void
}

/** More changes than these wait in nobody's interest. */
const mostWaiting = 32
const betweenStrangersMs = 10_000

/** Answers for a leaf node: what it is, and changes of its mappings, one at a time. */
export class LeafAgent implements Disposable {
  readonly #options: AgentOptions
  readonly #subscriptions: Subscription[] = []
  #server: LeafServer | undefined
  #keys: LeafKeys
  #nonce = createNonce()
  #problems: readonly LeafProblem[] = []
  #known: Pick<LeafState, 'server' | 'url' | 'mappings' | 'digest'>
  #reading: Promise<LeafState> | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #strangerAt = -betweenStrangersMs

  private constructor(options: AgentOptions, server: LeafServer, keys: LeafKeys) {
    this.#options = options
    this.#server = server
    this.#keys = keys
    this.#known = {
      server: {id: '', name: `lattice-leaf-${options.record.name}`, version: ''},
      url: urlOf(server),
      mappings: {},
      digest: digestOf({}),
    }
  }

  /** Begins to answer; rejects with a ConnectionError when the user may not listen where leaf nodes are asked. */
  static async open(options: AgentOptions, server: LeafServer): Promise<LeafAgent> {
    const agent = new LeafAgent(options, server, await readLeafKeys(options.keys))
    await agent.state()
    await agent.#listen()
    return agent
  }

  /** Whose changes it takes. */
  get accepts(): readonly string[] {
    return this.#keys.accepts
  }

  /** The server that runs now; undefined while there is none. */
  set server(server: LeafServer | undefined) {
    this.#server = server
    if (server !== undefined) this.#known = {...this.#known, url: urlOf(server)}
  }

  set problems(problems: readonly LeafProblem[]) {
    this.#problems = problems
  }

  /** The keys may have been replaced together with the credentials; what cannot be read now may be later. */
  async renewKeys(): Promise<void> {
    if (!mayBeRenewed(this.#options.keys)) return
    this.#keys = await readLeafKeys(this.#options.keys).catch((error: unknown) => {
      if (error instanceof LatticeError) return this.#keys
      throw error
    })
  }

  async #listen(): Promise<void> {
    const {hub, record, timeoutMs} = this.#options
    const {read, change, ask} = leafSubjects(record.lattice)
    let refused: Error | undefined
    const on = (subject: string, answer: (msg: Msg) => Promise<object>): void => {
      const callback = (error: Error | null, msg: Msg): void => {
        if (error !== null) refused ??= error
        else void this.#reply(msg, answer)
      }
      this.#subscriptions.push(hub.subscribe(subject, {callback}))
    }
    on(read, (msg) => this.#tell(msg))
    on(change(record.id), (msg) => this.#change(msg))
    on(ask(record.id), (msg) => this.#ask(msg))
    await flush(hub, timeoutMs)
    if (refused !== undefined) throw new NotHeardError(`${read.slice(0, read.lastIndexOf('.'))}.>`, refused)
  }

  async #reply(msg: Msg, answer: (msg: Msg) => Promise<object>): Promise<void> {
    // Whoever wants no answer gets nothing done either.
    if (msg.reply === undefined || msg.reply === '') return
    const reply = await answer(msg).catch(failureReply)
    try {
      msg.respond(JSON.stringify(reply))
    } catch (error) {
      this.#options.report({kind: 'warning', message: `An answer could not be sent: ${(error as Error).message}.`})
    }
  }

  async #tell(msg: Msg): Promise<object> {
    const {challenge} = readSchema.safeParse(parseJson(msg)).data ?? {}
    const state = {...(await this.state()), ...(challenge === undefined ? {} : {challenge})}
    return signText(this.#keys.own, 'lattice leaf state', JSON.stringify(state))
  }

  async #ask(msg: Msg): Promise<object> {
    const {endpoint, body} = askSchema.parse(parseJson(msg))
    const server = this.#running()
    const [identity] = await server.system.servers()
    const account = splitAccount(this.#options.record.form)
    const wanted = {...body, ...(endpoint === 'VARZ' ? {} : {account, acc: account})}
    const subject = `$SYS.REQ.SERVER.${identity?.id ?? ''}.${endpoint}`
    const reply = await request(server.system.connection, subject, JSON.stringify(wanted), {
      timeoutMs: this.#options.timeoutMs,
    })
    return reply.json<object>()
  }

  #running(): LeafServer {
    if (this.#server !== undefined) return this.#server
    throw new ConnectionError(`The nats-server of leaf node '${this.#options.record.name}' does not run.`, {
      suggestions: ['lattice leaf ls'],
    })
  }

  async #change(msg: Msg): Promise<ChangeReply> {
    if (this.#waiting >= mostWaiting) throw new ConnectionError('Too many changes wait at this leaf node.')
    this.#waiting++
    const turn = this.#turn.then(() => this.#changeNow(msg))
    this.#turn = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      this.#waiting--
    }
  }

  async #changeNow(msg: Msg): Promise<ChangeReply> {
    const {record, report, onChange} = this.#options
    await this.renewKeys()
    const rules: ChangeRules = {...record, accepts: this.#keys.accepts}
    let by: string | undefined
    try {
      const signed = parseChange(msg.data, rules)
      by = signed.by
      if (signed.change.nonce !== this.#nonce) throw new OtherStateError(record.name)
      this.#nonce = createNonce()
      const {hub, timeoutMs} = this.#options
      const driver = await openLeafFile(this.#place, this.#running())
      const notes = await applyChange({driver, hub, timeoutMs}, signed.change, rules)
      report({kind: 'changed', by, sources: signed.change.change.map(({source}) => source)})
      this.#reading = undefined
      return {state: await this.state(), notes: [...notes]}
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
      if (by !== undefined || this.#mayTellOfStranger()) report({kind: 'change-refused', by, message: error.message})
      return failureReply(error)
    } finally {
      this.#reading = undefined
      if (by !== undefined) onChange()
    }
  }

  /** Anybody of the account can send what is refused, and what is told goes into a log. */
  #mayTellOfStranger(): boolean {
    const now = this.#options.clock.now()
    if (Math.abs(now - this.#strangerAt) < betweenStrangersMs) return false
    this.#strangerAt = now
    return true
  }

  get #place(): Place {
    const {record, files, clock, timeoutMs} = this.#options
    return {form: record.form, main: files.config, clock, timeoutMs}
  }

  /** The leaf node as it is now; those who ask at the same time get the same answer. */
  state(): Promise<LeafState> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #read(): Promise<LeafState> {
    const {id, name, lattice, form, sources} = this.#options.record
    const server = this.#server
    const [table, connected] = await Promise.all([readTable(this.#place, server), isLinked(this.#place, server)])
    this.#known = {...this.#known, ...table.known}
    return {
      ...{id, name, lattice, form, sources, connected},
      ...this.#known,
      live: table.live,
      nonce: this.#nonce,
      accepts: [...this.#keys.accepts],
      problems: [...this.#problems],
    }
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }
}

const readSchema = z.object({challenge: z.string().max(64).optional()})

function parseJson(msg: Msg): unknown {
  try {
    return JSON.parse(msg.string())
  } catch {
    return undefined
  }
}

function createNonce(): string {
  return randomBytes(18).toString('base64url')
}

function urlOf({listen}: LeafServer): string {
  return `nats://${formatListen(listen)}`
}

/** Twice: an error that was on its way when the first answer came is there with the second. */
async function flush(hub: NatsConnection, timeoutMs: number): Promise<void> {
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(
      () => reject(new ConnectionError(`The servers did not answer within ${timeoutMs} ms.`)),
      timeoutMs,
    ).unref()
  })
  await Promise.race([hub.flush().then(() => hub.flush()), late])
}

/** Nobody could ask it or tell it anything. */
class NotHeardError extends ConnectionError {
  constructor(subject: string, cause: unknown) {
    super(`This user may not listen on '${subject}', where leaf nodes are asked and told.`, {
      suggestions: [`nsc edit user NAME --allow-sub '${subject}'`, 'Run the leaf node as a user that may.'],
      details: {subject, reason: 'no-permission'},
      cause,
    })
  }
}
