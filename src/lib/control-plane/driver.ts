import {createHash} from 'node:crypto'

import {
  holds,
  isLive,
  SentUnknownError,
  type Applied,
  type ApplyOptions,
  type Driver,
  type ServerOutcome,
  type ServerView,
  type TableChange,
  type TableView,
  type Verification,
  type WriteBack,
} from '../apply/driver.js'
import {LatticeError} from '../errors.js'
import {compareTables, predictTable, type MappingTable} from '../routing/effective.js'
import {readShown, type ShownAccount} from './account.js'
import type {ControlPlane} from './client.js'
import {NotSyncedError, RateLimitedError, UnknownPatchError} from './errors.js'
import {mappingsPatch} from './patch.js'
import {isUnencrypted} from './url.js'

/** What the driver needs. */
export interface ControlPlaneDriverOptions {
  readonly plane: ControlPlane
  /** Id of the account there. */
  readonly id: string
  /** What is live on every server, where somebody can be asked. */
  readonly readLive?: (() => Promise<LiveServers>) | undefined
}

/** What servers have. */
export interface LiveServers {
  readonly servers: readonly ServerView[]
  /** The mappings of the token that they store; undefined where nobody shows it. */
  readonly stored?: MappingTable | undefined
}

const pollMs = 200

/** Routes by the account settings of a control plane, which signs and pushes the account's token itself. */
export class ControlPlaneDriver implements Driver {
  readonly name = 'controlplane'
  readonly form = 'jwt'
  readonly notes: readonly string[]
  /** It brings tokens to the servers in its own time. */
  readonly withinMs: number
  readonly #options: ControlPlaneDriverOptions

  constructor(options: ControlPlaneDriverOptions) {
    this.#options = options
    this.withinMs = Math.max(2000, options.plane.timeoutMs)
    this.notes = isUnencrypted(options.plane.url)
      ? ['The token of the control plane goes over the network without TLS.']
      : []
  }

  async read(): Promise<TableView> {
    const [shown, live] = await Promise.all([this.#shown(), this.#options.readLive?.()])
    return viewOf(shown, live?.servers ?? [])
  }

  async apply(change: TableChange, {inspect}: ApplyOptions = {}): Promise<Applied> {
    const {clock} = this.#options.plane
    const {before, pushMs} = await this.#send(change, inspect)
    const confirmedAt = clock.now()
    const notSynced = (): Promise<void> => this.#patch(previousOf(change, before))
    const notes = await this.#settle(change, {before, notSynced}).catch(asSent)
    const verify = (withinMs: number): Promise<Verification> => this.#verify(change, withinMs)
    return {before, pushMs, confirmedAt, notes, verify}
  }

  async takeBack(
    {change, previous}: {readonly change: TableChange; readonly previous: TableChange},
    withinMs: number,
  ): Promise<WriteBack> {
    try {
      const {mappings, servers} = await this.read()
      const stored = predictTable(mappings)
      const tables = [stored, ...servers.flatMap(({live}) => (live === undefined ? [] : [live.table]))]
      if (tables.every((table) => holds(table, previous))) return 'not needed'
      if (!holds(stored, change) && !holds(stored, previous)) return 'foreign'
      const {before} = await this.#send(previous)
      await this.#settle(previous, {before, notSynced: () => Promise.resolve()})
      return (await this.#verify(previous, withinMs)).outcomes.every(isLive) ? 'written' : 'failed'
    } catch (error) {
      if (error instanceof LatticeError) return 'failed'
      throw error
    }
  }

  /** Reads, lets the caller judge and sends; once more where it is sure, or harmless, that the first one was not taken. */
  async #send(change: TableChange, inspect?: ApplyOptions['inspect']): Promise<Sent> {
    const {clock, timeoutMs} = this.#options.plane
    const deadline = clock.now() + timeoutMs
    for (let lost = 0; ;) {
      const before = await this.read()
      inspect?.(before)
      const started = performance.now()
      const measured = (): Sent => ({before, pushMs: Math.round((performance.now() - started) * 10) / 10})
      try {
        await this.#patch(change)
        return measured()
      } catch (error) {
        if (error instanceof RateLimitedError && clock.now() + error.waitMs <= deadline) {
          await clock.sleep(error.waitMs)
          continue
        }
        if (!(error instanceof UnknownPatchError)) throw error
        const found = await this.#lookBack(change, before).catch(asSent)
        if (found === 'changed') return measured()
        if (found === 'other' || ++lost > 1) throw new SentUnknownError(error)
      }
    }
  }

  #patch(change: TableChange): Promise<void> {
    return this.#options.plane.patch(['accounts', this.#options.id], mappingsPatch(change))
  }

  /** What became of a change whose answer is lost; it may take a moment to be made. */
  async #lookBack(change: TableChange, before: TableView): Promise<'changed' | 'unchanged' | 'other'> {
    const {clock} = this.#options.plane
    for (let look = 1; ; look++) {
      const table = predictTable((await this.#shown()).mappings)
      if (holds(table, change)) return 'changed'
      if (!sameSources(table, predictTable(before.mappings), change)) return 'other'
      if (look === 3) return 'unchanged'
      await clock.sleep(pollMs)
    }
  }

  /** Waits until the control plane says that servers have the change; a NotSyncedError where it says that they cannot. */
  async #settle(change: TableChange, {before, notSynced}: Settling): Promise<string[]> {
    const {clock, timeoutMs} = this.#options.plane
    const started = clock.now()
    for (;;) {
      const shown = await this.#shown()
      const passed = clock.now() - started
      // Right after a change it may still be told of the one before.
      if (shown.sync === 'Failed' && passed >= Math.min(1000, timeoutMs)) {
        await notSynced()
        throw new NotSyncedError(shown.syncError.replace(/\.$/, '') || 'it does not say why')
      }
      const waiting = shown.sync === 'InProgress' || shown.sync === 'Failed'
      if (waiting && passed < timeoutMs) {
        await clock.sleep(pollMs)
        continue
      }
      return [
        ...othersNote(before, shown, change),
        ...(waiting ? ['The control plane is still bringing the change to the servers.'] : []),
      ]
    }
  }

  async #verify(change: TableChange, withinMs: number): Promise<Verification> {
    const {clock} = this.#options.plane
    const deadline = clock.now() + withinMs
    for (;;) {
      const [shown, live] = await Promise.all([this.#shown(), this.#options.readLive?.()])
      const overtaken = !holds(predictTable(shown.mappings), change)
      const outcomes = live === undefined ? [] : live.servers.map((view) => outcomeOf(view, live, change))
      if (outcomes.every(isLive) || clock.now() >= deadline) return {outcomes, overtaken}
      await clock.sleep(pollMs)
    }
  }

  #shown(): Promise<ShownAccount> {
    return readShown(this.#options.plane, this.#options.id)
  }
}

interface Sent {
  readonly before: TableView
  readonly pushMs: number
}

interface Settling {
  readonly before: TableView
  /** What to do before the error is thrown. */
  readonly notSynced: () => Promise<void>
}

function viewOf({mappings}: ShownAccount, servers: readonly ServerView[]): TableView {
  const sorted = Object.entries(mappings).sort(([a], [b]) => (a < b ? -1 : 1))
  const digest = `sha256:${createHash('sha256').update(JSON.stringify(sorted)).digest('hex')}`
  return {mappings, servers, digest}
}

/** What other sources were set to meanwhile is none of ours, and is told. */
function othersNote({mappings}: TableView, shown: ShownAccount, change: TableChange): string[] {
  const ours = new Set(change.map(({source}) => source))
  const different = compareTables(predictTable(mappings), predictTable(shown.mappings))
  const others = different.map(({source}) => source).filter((source) => !ours.has(source))
  if (others.length === 0) return []
  const names = others.map((source) => `'${source}'`).join(', ')
  return [`Mappings that are none of this route changed in the control plane at the same time: ${names}.`]
}

function outcomeOf({server, live}: ServerView, {stored}: LiveServers, change: TableChange): ServerOutcome {
  const {name, id} = server
  if (live !== undefined && holds(live.table, change)) return {server: {name, id}, outcome: 'applied'}
  if (live !== undefined) {
    return {server: {name, id}, outcome: 'differs', reason: 'it does not have what the control plane was told'}
  }
  if (stored !== undefined && holds(stored, change)) return {server: {name, id}, outcome: 'stored'}
  return {server: {name, id}, outcome: 'missing', reason: 'it does not know the account'}
}

function sameSources(one: MappingTable, other: MappingTable, change: TableChange): boolean {
  return change.every(({source}) => {
    const only = (table: MappingTable): MappingTable => new Map([...table].filter(([written]) => written === source))
    return compareTables(only(one), only(other)).length === 0
  })
}

/** As the settings had it: there no weight is one of 100. */
function previousOf(change: TableChange, {mappings}: TableView): TableChange {
  return change.map(({source}) => ({
    source,
    destinations: mappings[source]?.map(({weight, ...one}) => ({
      ...one,
      weight: weight === undefined || weight === 0 ? 100 : weight,
    })),
  }))
}

/** Whatever fails after the change was sent leaves open what became of it, unless it was put back. */
function asSent(error: unknown): never {
  if (error instanceof LatticeError && !(error instanceof NotSyncedError)) throw new SentUnknownError(error)
  throw error
}
