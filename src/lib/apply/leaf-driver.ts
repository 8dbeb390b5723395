import {createHash} from 'node:crypto'

import type {Clock} from '../clock.js'
import {shellWord} from '../entity/require.js'
import {ConnectionError, LatticeError, UnsafeError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import type {HeardLeaf} from '../leaf/client.js'
import {compareTables} from '../routing/effective.js'
import {covers} from '../routing/subject.js'
import {checkRules} from './config-stage.js'
import {
  holds,
  isLive,
  type Applied,
  type ApplyOptions,
  type Driver,
  type ReadOptions,
  type ServerOutcome,
  type TableChange,
  type TableView,
  type Verification,
  type WriteBack,
} from './driver.js'
import {changeOne, wantedTable, type ChangedLeaf, type LeafAccess} from './leaf-change.js'
import {
  ClusteredHubError,
  mappingsOf,
  readGroup,
  serverView,
  tableOf,
  type LeafGroup,
  type LeafTarget,
} from './leaf-group.js'

export interface LeafDriverOptions extends LeafTarget {
  readonly clock: Clock
  /** Whatever signs changes at such a leaf node; undefined: there is nothing, so they can be planned only. */
  readonly findKey?: ((leaf: HeardLeaf) => Promise<SigningKey | undefined>) | undefined
  /**
   * What the account's own servers do with messages to the sources now, found out by messages that nobody gets: whether
   * they hand them to a leaf node that splits for the whole account.
   */
  readonly probe?: ((change: TableChange, withinMs: number) => Promise<readonly ServerOutcome[]>) | undefined
}

/** Opens the driver for leaf nodes of ours, which need no more than a user of the account; throws what readGroup throws. */
export async function openLeafDriver(options: LeafDriverOptions, read: ReadOptions = {}): Promise<LeafDriver> {
  const group = await readGroup(options, read)
  const key = await options.findKey?.(group.leaves[0]!)
  return new LeafDriver({...options, name: group.name, key}, group)
}

/** The driver's options with what was found out once. */
interface OpenLeaves extends LeafDriverOptions {
  readonly key: SigningKey | undefined
}

export class LeafDriver implements Driver {
  readonly name = 'leaf'
  readonly form = 'config'
  readonly notes: readonly string[]
  /** For whom they split. */
  readonly reach: HeardLeaf['form']
  /** Those that were there when it was opened. */
  readonly leaves: readonly HeardLeaf[]
  /** What they had then. */
  readonly view: TableView
  readonly #options: OpenLeaves
  readonly #group: LeafGroup
  /** Who answered once need not be waited for again. */
  readonly #expect: readonly HeardLeaf[]

  constructor(options: OpenLeaves, group: LeafGroup) {
    const {leaves, heard} = group
    this.#options = options
    this.#group = group
    this.#expect = heard
    this.leaves = leaves
    this.view = viewOf(group)
    this.reach = leaves[0]!.form
    this.notes = [...new Set(leaves.flatMap(notesOf))]
  }

  async read(options: ReadOptions = {}): Promise<TableView> {
    return viewOf(await this.#read(options))
  }

  refuse(change: TableChange): void {
    refuseUncarried(this.#group, change)
    const {cluster} = this.#options.connection.info ?? {}
    const splits = change.some(({destinations}) => destinations !== undefined)
    if (splits && cluster !== undefined && this.reach === 'account-wide')
      throw new ClusteredHubError(
        this.leaves.map(({server}) => server.name),
        cluster,
      )
  }

  /** What signs its changes. */
  get key(): SigningKey | undefined {
    return this.#options.key
  }

  #read(options: ReadOptions): Promise<LeafGroup> {
    return readGroup(this.#options, {...options, expect: this.#expect})
  }

  async apply(change: TableChange, {inspect, ...options}: ApplyOptions = {}): Promise<Applied> {
    checkRules(change)
    const group = await this.#read(options)
    const before = viewOf(group)
    inspect?.(before)
    refuseUncarried(group, change)
    return {before, ...(await this.#change(group, change))}
  }

  async #change({leaves}: LeafGroup, change: TableChange): Promise<Omit<Applied, 'before'>> {
    const {key, clock} = this.#options
    if (key === undefined) throw new NoLeafKeyError(leaves)
    const access = {...this.#options, key}
    const [started, startedAt] = [performance.now(), clock.now()]
    const done = await changeAll(access, leaves, change)
    const pushMs = Math.round((performance.now() - started) * 10) / 10
    return {
      pushMs,
      confirmedAt: Math.round(startedAt + pushMs),
      notes: [...new Set(done.flatMap(({notes}) => notes))],
      verify: async (withinMs) => {
        const verification = await this.#verify(done, withinMs)
        const hub = verification.outcomes.every(isLive) ? await this.#verifyHub(change, withinMs) : []
        return {...verification, outcomes: [...verification.outcomes, ...hub]}
      },
    }
  }

  async #verify(done: readonly ChangedLeaf[], withinMs: number): Promise<Verification> {
    const {clock} = this.#options
    const deadline = clock.now() + withinMs
    for (;;) {
      const leaves = await this.#leaves()
      const outcomes = outcomesOf(done, leaves)
      const overtaken = done.some(({leaf, digest}) =>
        leaves.some(({id, digest: now}) => id === leaf.id && now !== digest),
      )
      if (outcomes.every(isLive) || clock.now() >= deadline) return {outcomes, overtaken}
      await clock.sleep(50)
    }
  }

  /** The account's servers that do otherwise; one of them that is as it should be stands for those out of reach. */
  async #verifyHub(change: TableChange, withinMs: number): Promise<readonly ServerOutcome[]> {
    if (this.reach !== 'account-wide' || this.#options.probe === undefined) return []
    const outcomes = await this.#options.probe(change, withinMs)
    const differing = outcomes.filter(({outcome}) => outcome === 'differs')
    return differing.length > 0 || outcomes.some(isLive) ? differing : outcomes
  }

  /** Those that answer; none is no error here. */
  async #leaves(): Promise<readonly HeardLeaf[]> {
    try {
      return (await this.#read({newest: true})).leaves
    } catch (error) {
      if (error instanceof ConnectionError && error.name === 'NoLeafError') return []
      throw error
    }
  }

  async takeBack(
    {change, previous}: {readonly change: TableChange; readonly previous: TableChange},
    withinMs: number,
  ): Promise<WriteBack> {
    try {
      const group = await this.#read({newest: true})
      const stored = group.leaves.map(tableOf)
      const live = viewOf(group).servers.flatMap((server) => (server.live === undefined ? [] : [server.live.table]))
      if ([...stored, ...live].every((table) => holds(table, previous))) return 'not needed'
      if (stored.some((table) => !holds(table, change) && !holds(table, previous))) return 'foreign'
      const {verify} = await this.#change(group, previous)
      return (await verify(withinMs)).outcomes.every(isLive) ? 'written' : 'failed'
    } catch (error) {
      if (error instanceof LatticeError) return 'failed'
      throw error
    }
  }
}

/** The first one alone, so that what all would refuse is refused by one; then the others, a few at a time. */
async function changeAll(
  access: LeafAccess,
  leaves: readonly HeardLeaf[],
  change: TableChange,
): Promise<readonly ChangedLeaf[]> {
  const open = leaves.filter((leaf) => !isDone(leaf, change))
  const done: ChangedLeaf[] = leaves
    .filter((leaf) => isDone(leaf, change))
    .map((leaf) => ({leaf, wanted: wantedTable(leaf, change), digest: leaf.digest, notes: []}))
  const changed: ChangedLeaf[] = []
  for (let index = 0; index < open.length; index += index === 0 ? 1 : atOnce) {
    const batch = open.slice(index, index + (index === 0 ? 1 : atOnce))
    const results = await Promise.allSettled(batch.map((leaf) => changeOne(access, leaf, change)))
    changed.push(...results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) continue
    await putBack(access, changed, change)
    throw failed.reason as Error
  }
  return [...done, ...changed]
}

const atOnce = 8

/** File and server have it already. */
function isDone(leaf: HeardLeaf, change: TableChange): boolean {
  const {live} = serverView(leaf)
  return live !== undefined && holds(tableOf(leaf), change) && compareTables(tableOf(leaf), live.table).length === 0
}

/** Those that took the change get back what they had; what cannot be put back shows when it is verified. */
async function putBack(access: LeafAccess, changed: readonly ChangedLeaf[], change: TableChange): Promise<void> {
  if (changed.length === 0) return
  const {leaves} = await readGroup(access, {newest: true})
  await Promise.allSettled(
    changed.map(async ({leaf}) => {
      const now = leaves.find(({id}) => id === leaf.id)
      const previous = change.map(({source}) => ({source, destinations: ownMapping(leaf, source)}))
      if (now !== undefined) await changeOne(access, now, previous)
    }),
  )
}

/** A subject may be named as what every object has. */
function ownMapping({mappings}: HeardLeaf, source: string): HeardLeaf['mappings'][string] | undefined {
  return Object.hasOwn(mappings, source) ? mappings[source] : undefined
}

function viewOf(group: LeafGroup): TableView {
  const digests = group.leaves.map(({id, digest}) => [id, digest])
  const digest = createHash('sha256').update(JSON.stringify(digests)).digest('hex')
  return {
    mappings: mappingsOf(group),
    servers: group.leaves.map(serverView),
    digest: `sha256:${digest}`,
    agreed: group.agreed,
  }
}

function outcomesOf(done: readonly ChangedLeaf[], leaves: readonly HeardLeaf[]): ServerOutcome[] {
  const known = done.map(({leaf: {id, server}, wanted}): ServerOutcome => {
    const now = leaves.find((leaf) => leaf.id === id)
    if (now === undefined) return {server, outcome: 'missing', reason: 'it does not answer'}
    if (now.live === null) return {server: now.server, outcome: 'missing', reason: 'its server does not answer'}
    if (compareTables(wanted, new Map(Object.entries(now.live))).length === 0)
      return {server: now.server, outcome: 'applied'}
    return {server: now.server, outcome: 'differs', reason: 'its server has other mappings than its file'}
  })
  const [first] = done
  const added = leaves.filter(({id}) => !done.some(({leaf}) => leaf.id === id))
  return [
    ...known,
    ...added.map((leaf): ServerOutcome => {
      const same = first !== undefined && compareTables(first.wanted, tableOf(leaf)).length === 0
      return same
        ? {server: leaf.server, outcome: 'applied'}
        : {server: leaf.server, outcome: 'differs', reason: 'it started during the change and does not have it'}
    }),
  ]
}

/** What a leaf node says of itself that a change should tell. */
function notesOf({server, problems}: HeardLeaf): string[] {
  return problems.map(({sentence}) => `Leaf node '${server.name}': ${sentence}`)
}

/** A source that a leaf node beside its callers takes in from the hub as well would be answered twice. */
function refuseUncarried({name, leaves}: LeafGroup, change: TableChange): void {
  for (const {source, destinations} of change) {
    const without = leaves.find((leaf) => !maySplit(leaf, source))
    if (destinations !== undefined && without !== undefined) throw new UncarriedSourceError(source, without, name)
  }
}

/** What it was started for; one for the whole account may be started for whatever comes. */
function maySplit({form, sources}: HeardLeaf, source: string): boolean {
  if (form === 'account-wide' && sources.length === 0) return true
  return sources.some((own) => covers(own, source))
}

class UncarriedSourceError extends UnsafeError {
  constructor(source: string, {server, sources, form}: HeardLeaf, name: string) {
    const wide = form === 'account-wide' ? ' --account-wide' : ''
    super(`Leaf node '${server.name}' was not started for '${source}', and what it maps is fixed when it starts.`, {
      suggestions: [
        `lattice leaf stop --name ${name}   (where it runs)`,
        `lattice leaf run --name ${name}${wide} ${[...sources, source].map((one) => `--source ${shellWord(one)}`).join(' ')} …   (with the flags it had)`,
      ],
      details: {rule: 'not-carried', source, sources, leaf: server.name},
    })
  }
}

/** Leaf nodes take changes from users they know by key. */
export class NoLeafKeyError extends ConnectionError {
  constructor(leaves: readonly HeardLeaf[]) {
    super('Leaf nodes take changes that are signed with a user key, and the credentials have none.', {
      suggestions: [
        '--leaf-key FILE (or LATTICE_LEAF_KEY_FILE) with a user seed that they accept, such as control.nk in the folder of one',
      ],
      details: {accepts: [...new Set(leaves.flatMap(({accepts}) => accepts))]},
    })
  }
}
