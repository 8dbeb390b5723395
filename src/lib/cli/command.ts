import type {Interfaces} from '@oclif/core'
import {Command} from '@oclif/core/command'

import {systemClock, type Clock} from '../clock.js'
import type {ChangeOptions} from '../entities/scale.js'
import {describeFailure, LatticeError, UsageError, type FailureDescription} from '../errors.js'
import {Lattice} from '../lattice.js'
import type {OpenOptions} from '../nats/connect.js'
import {resolveConnection, type Resolved} from '../nats/resolve-spec.js'
import type {ConnectSpec} from '../nats/spec.js'
import {clean, jsonText} from '../output/text.js'
import type {RouteAccess} from '../routes/access.js'
import type {removeFlags} from './change-flags.js'
import {confirmContext, confirmedLine, ownTerminal, refuseOther} from './confirm.js'
import {connectFlags, connectionFlags, type ConnectionFlags} from './connection-flags.js'
import {recordedElsewhere} from './route-state.js'
import {inScope, typedScope, type TypedScope} from './scope.js'
import {interruptSignal} from './signals.js'

type JsonForm = boolean | 'line'

/** What all commands share: output and one meaning of failure. */
export abstract class LocalCommand<T extends object> extends Command {
  static override enableJsonFlag = true

  protected readonly clock: Clock = systemClock
  #signal: AbortSignal | undefined

  abstract override run(): Promise<T>

  /** Runs the whole life of the command, failures included, without oclif's search for plugins. */
  async execute(): Promise<void> {
    await this._run()
  }

  /** Aborted on SIGINT, SIGTERM or SIGHUP; a second one ends the process. */
  protected signal(): AbortSignal {
    this.#signal ??= interruptSignal()
    return this.#signal
  }

  /** How a failure is printed as JSON, if it is; `line` is for commands whose documents are a line each. */
  protected get jsonForm(): JsonForm {
    return this.jsonEnabled()
  }

  /** True when a person reads stdout. */
  protected get terminal(): boolean {
    return process.stdout.isTTY && !this.jsonEnabled()
  }

  /** A result for stdout; an empty one is no line, so that lines can be counted. */
  override log(text = ''): void {
    if (text !== '') super.log(text)
  }

  /** A line for the person, on stderr, also under `--json`. */
  protected note(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  /** Exactly these bytes on stdout; nothing under `--json`. */
  protected logBytes(bytes: Uint8Array): void {
    if (!this.jsonEnabled()) process.stdout.write(Buffer.from(bytes))
  }

  /** One document on a line of stdout: for commands that keep running. */
  protected logLine(document: object): void {
    process.stdout.write(`${jsonText(document)}\n`)
  }

  /** Resolves when stdout can take more: to true, or to false when nobody reads it any more. */
  protected async drained(): Promise<boolean> {
    const {stdout} = process
    if (stdout.writableNeedDrain && stdout.errored === null) {
      await new Promise<void>((resolve) => {
        const events = ['drain', 'error', 'close']
        const done = (): void => {
          for (const event of events) stdout.removeListener(event, done)
          resolve()
        }
        for (const event of events) stdout.on(event, done)
      })
    }
    return stdout.errored === null
  }

  protected override logJson(json: unknown): void {
    process.stdout.write(`${jsonText(json, 2)}\n`)
  }

  /** Resolves when the protected context was named, by `--confirm` or by the person at the terminal. */
  protected confirmed(context: string, given: string | undefined): Promise<void> {
    const line = confirmedLine(this.id ?? '', this.argv, context)
    return confirmContext({context, given, line, terminal: ownTerminal()})
  }

  override warn(input: Error | string): Error | string {
    this.note(`Warning: ${input instanceof Error ? input.message : input}`)
    return input
  }

  protected override catch(error: Error): Promise<void> {
    reportFailure(error, this.jsonForm)
    return Promise.resolve()
  }
}

type ChangeFlags = Interfaces.InferredFlags<typeof removeFlags>

/** A command that acts on a lattice: it has the connection flags. */
export abstract class LatticeCommand<T extends object> extends LocalCommand<T> {
  static override baseFlags = connectionFlags

  #typed: TypedScope = {}

  /** A line to paste that acts where this command does. */
  protected line(text: string): string {
    return inScope(text, this.#typed)
  }

  protected override catch(error: Error): Promise<void> {
    reportFailure(error, this.jsonForm, (line) => this.line(line))
    return Promise.resolve()
  }

  /** What flags, environment and contexts come to, with where each part was said. */
  protected async resolve(flags: Partial<ConnectionFlags>): Promise<Resolved> {
    this.#typed = typedScope(flags)
    const resolved = await resolveConnection(connectFlags(flags), process.env)
    for (const note of resolved.notes) this.note(note)
    return resolved
  }

  /** The connection that the flags, the environment and the contexts stand for. */
  protected async spec(flags: Partial<ConnectionFlags>): Promise<ConnectSpec> {
    return (await this.resolve(flags)).spec
  }

  /** Opens the lattice that the flags name; close it with `await using`. */
  protected async open(flags: Partial<ConnectionFlags>, options: OpenOptions = {}): Promise<Lattice> {
    const access = this.routeAccess(flags)
    return Lattice.open(await this.spec(flags), {...options, access})
  }

  /** How routes are to be read and changed, for the commands that have flags for it. */
  protected routeAccess(_flags: object): RouteAccess | undefined {
    return recordedElsewhere(process.env)
  }

  /** As `open`, for destructive work: a protected context is named first, before anything is sent. */
  protected async openToChange(
    flags: Partial<ConnectionFlags> & {readonly confirm?: string | undefined; readonly 'dry-run': boolean},
    options: OpenOptions = {},
  ): Promise<Lattice> {
    const spec = await this.spec(flags)
    refuseOther(spec.context, flags.confirm)
    if (spec.protected && spec.context !== undefined && !flags['dry-run']) {
      await this.confirmed(spec.context, flags.confirm)
    }
    return Lattice.open(spec, {...options, access: this.routeAccess(flags)})
  }

  /** An empty list of the wrong lattice looks like one of the right lattice: says which it was. */
  protected noteEmpty({name, spec: {context}}: Lattice): void {
    this.note(`Nothing in lattice '${name}'${context === undefined ? '' : ` (context '${clean(context)}')`}.`)
  }

  /** What the commands that change running entities have in common. */
  protected changeOptions(lattice: Lattice, flags: ChangeFlags): ChangeOptions {
    return {
      host: flags.host,
      context: lattice.spec.context,
      allVersions: flags['all-versions'],
      allowInUse: flags.allow.includes('in-use'),
      dryRun: flags['dry-run'],
      wait: flags.wait,
      timeoutMs: lattice.spec.timeoutMs,
      clock: this.clock,
      signal: this.signal(),
      routeOf: async (entity) => (await lattice.routes()).recordOf(entity),
    }
  }
}

/**
 * Prints a failure, as a person or a script reads it, and sets the exit code: the same one in both forms. `scoped` makes
 * a suggested line act where the command did.
 */
export function reportFailure(error: unknown, json: JsonForm, scoped = (line: string): string => line): void {
  const oclifExit = (error as {oclif?: {exit?: number}}).oclif?.exit
  if (oclifExit === 0) return
  const known = asLatticeError(error)
  const described = describeFailure(known)
  const suggestions = described.json.suggestions.map(scoped)
  const failure = {...described, json: {...described.json, suggestions}}
  process.exitCode = failure.exit
  if (json) process.stdout.write(`${jsonText({error: failure.json}, json === 'line' ? undefined : 2)}\n`)
  else process.stderr.write(failureText(failure))
  if (failure.json.kind === 'bug' && (process.env['DEBUG'] ?? '').includes('lattice')) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  }
}

/** oclif's own errors are about arguments: what stands on the lines after a colon belongs to the sentence. */
function asLatticeError(error: unknown): unknown {
  if (error instanceof LatticeError) return withoutFrame(error)
  if (!(error instanceof Error) || !('oclif' in error)) return error
  const lines = error.message.split('\n').map((line) => line.trim())
  const [first = '', ...rest] = lines.filter((line) => line !== '' && line !== 'See more help with --help')
  const reasons = rest.map((line) => line.replace(/\.$/, ''))
  const sentence = /^The following errors? occurred:$/.test(first)
    ? reasons.join('; ')
    : [first.replace(/\.$/, ''), ...reasons].join(' ')
  return new UsageError(/[.?!]$/.test(sentence) ? sentence : `${sentence}.`, {suggestions: ['Run it with --help.']})
}

/** oclif writes around the sentence of an error that the parser of a flag or an argument throws. */
function withoutFrame(error: LatticeError): LatticeError {
  const framed = /^Parsing \S+ \n\t([^]*?)\nSee more help with --help$/.exec(error.message)
  if (framed !== null) error.message = framed[1]!
  return error
}

function failureText({json, lines: below}: FailureDescription): string {
  const lines = [`Error: ${clean(json.message)}`, ...below.map((line) => `  ${clean(line)}`)]
  if (json.suggestions.length > 0) lines.push('Try:', ...json.suggestions.map((line) => `  ${clean(line)}`))
  return `${lines.join('\n')}\n`
}
