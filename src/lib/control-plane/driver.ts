import {
  holds,
  isLive,
  SentUnknownError,
  type Applied,
  type ApplyOptions,
  type Driver,
  type TableChange,
  type TableView,
  type Verification,
  type WriteBack,
} from '../apply/driver.js'
import {ConflictError, LatticeError} from '../errors.js'
import {predictTable, type MappingTable} from '../routing/effective.js'
import {readShown, type ShownAccount} from './account.js'
import type {ControlPlane} from './client.js'
import {NotSyncedError, RateLimitedError, UnknownPatchError} from './errors.js'
import {mappingsPatch} from './patch.js'
import {isUnencrypted} from './url.js'
import {othersNote, outcomeOf, previousOf, sameSources, viewOf, type LiveServers} from './view.js'

/** What the driver needs. */
export interface ControlPlaneDriverOptions {
  readonly plane: ControlPlane
  /** Id of the account there. */
  readonly id: string
  /** What is live on every server, where somebody can be asked. */
  readonly readLive?: (() => Promise<LiveServers>) | undefined
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
    this.withinMs = Math.min(10_000, Math.max(2000, options.plane.timeoutMs))
    this.notes = isUnencrypted(options.plane.url)
      ? ['The token of the control plane goes over the network without TLS.']
      : []
  }

  async read(): Promise<TableView> {
    const [shown, live] = await Promise.all([this.#shown(), this.#options.readLive?.()])
    return viewOf(shown, live)
  }

  async apply(change: TableChange, {inspect}: ApplyOptions = {}): Promise<Applied> {
    const {before, started} = await this.#send(change, inspect)
    const notSynced = (): Promise<void> => this.#patch(previousOf(change, before))
    const notes = await this.#settle(change, {before, notSynced}).catch(asSent)
    const pushMs = Math.round((performance.now() - started) * 10) / 10
    const verify = (withinMs: number): Promise<Verification> => this.#verify(change, withinMs)
    return {before, pushMs, confirmedAt: this.#options.plane.clock.now(), notes, verify}
  }

  async takeBack(
    {change, previous}: {readonly change: TableChange; readonly previous: TableChange},
    withinMs: number,
  ): Promise<WriteBack> {
    const refuseForeign = (stored: MappingTable): void => {
      if (!holds(stored, change) && !holds(stored, previous)) throw new ForeignMappingError()
    }
    try {
      const {mappings, servers} = await this.read()
      const stored = predictTable(mappings)
      const tables = [stored, ...servers.flatMap(({live}) => (live === undefined ? [] : [live.table]))]
      if (tables.every((table) => holds(table, previous))) return 'not needed'
      refuseForeign(stored)
      const {before} = await this.#send(previous, (view) => refuseForeign(predictTable(view.mappings)))
      await this.#settle(previous, {before, notSynced: () => Promise.resolve()})
      return (await this.#verify(previous, withinMs)).outcomes.every(isLive) ? 'written' : 'failed'
    } catch (error) {
      if (error instanceof ForeignMappingError) return 'foreign'
      if (error instanceof LatticeError) return 'failed'
      throw error
    }
  }

  /** Sends a change; once more where the answer is lost and reading back shows that it was not made. */
  async #send(change: TableChange, inspect?: ApplyOptions['inspect']): Promise<Sent> {
    const first = await this.#try(change, {inspect})
    if ('started' in first) return first
    const again = async (): Promise<Sent | Lost> =>
      first.found === 'unchanged' ? this.#try(change, {inspect, again: true}) : first
    const last = await again().catch(asSent)
    if ('started' in last) return last
    throw new SentUnknownError(last.error)
  }

  /** Reads, lets the caller judge and sends, later where that is asked for. */
  async #try(change: TableChange, {inspect, again = false}: Trial): Promise<Sent | Lost> {
    const {clock, timeoutMs} = this.#options.plane
    const deadline = clock.now() + timeoutMs
    for (;;) {
      const before = await this.read()
      const started = performance.now()
      // The first one may have arrived late.
      if (again && holds(predictTable(before.mappings), change)) return {before, started}
      inspect?.(before)
      try {
        await this.#patch(change)
        return {before, started}
      } catch (error) {
        if (error instanceof UnknownPatchError) {
          const found = await this.#lookBack(change, before).catch(asSent)
          return found === 'changed' ? {before, started} : {found, error}
        }
        if (!(error instanceof RateLimitedError) || clock.now() + error.waitMs > deadline) throw error
        await clock.sleep(error.waitMs)
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
  /** What was there right before. */
  readonly before: TableView
  /** When it was sent, by the clock of `performance`. */
  readonly started: number
}

/** An answer that is lost, and what reading back showed since. */
interface Lost {
  readonly found: 'unchanged' | 'other'
  readonly error: UnknownPatchError
}

interface Trial {
  readonly inspect?: ApplyOptions['inspect'] | undefined
  readonly again?: boolean
}

interface Settling {
  readonly before: TableView
  /** What to do before the error is thrown. */
  readonly notSynced: () => Promise<void>
}

/** Whatever fails after the change was sent leaves open what became of it, unless it was put back. */
function asSent(error: unknown): never {
  if (error instanceof LatticeError && !(error instanceof NotSyncedError)) throw new SentUnknownError(error)
  throw error
}

/** Another tool gave a source that is to be taken back a mapping of its own. */
class ForeignMappingError extends ConflictError {
  constructor() {
    super('Another tool changed the mapping in the control plane.')
  }
}
