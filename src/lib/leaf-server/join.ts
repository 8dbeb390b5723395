import {readFile} from 'node:fs/promises'

import type {NatsConnection} from '@nats-io/transport-node'

import {ClusteredHubError, SecondLeafError} from '../apply/leaf-group.js'
import type {Clock} from '../clock.js'
import {parseMappings, renderMappings} from '../conf/mappings-text.js'
import {asTokenMappings} from '../apply/config-table.js'
import {ConflictError, UnsafeError} from '../errors.js'
import {writeFileAtomic} from '../files/write-file.js'
import {readLeaves, type HeardLeaf} from '../leaf/client.js'
import {leafServerName} from '../leaf/subjects.js'
import {subjectsOverlap} from '../routing/subject.js'
import {readWorkers} from './hub.js'
import {readAccepted, type KeySources} from './keys.js'
import type {leafFiles, LeafRecord} from './places.js'
import type {Report} from './report.js'
import {maySplit, type LeafSettings} from './settings.js'
import {digestOf, sameMappings, wireMappings, type LeafMappings} from './table.js'

export interface JoinOptions {
  readonly hub: NatsConnection
  readonly record: LeafRecord
  readonly files: ReturnType<typeof leafFiles>
  readonly settings: LeafSettings
  readonly keys: KeySources
  readonly timeoutMs: number
  readonly report: Report
  /** Nothing is written. */
  readonly dryRun?: boolean
}

/**
 * Before a leaf node's port opens: takes over what the others of its name have, and refuses to start one that would
 * answer calls a second time. Resolves to the mappings that it begins with.
 */
export async function join(options: JoinOptions): Promise<LeafMappings> {
  const {hub, record, settings, timeoutMs} = options
  const {cluster} = hub.info ?? {}
  if (record.form === 'account-wide' && cluster !== undefined && !settings.allow.includes('clustered-hub'))
    throw new ClusteredHubError([leafServerName(record)], cluster)
  const trusted = await readAccepted(options.keys)
  const heard = await readLeaves(hub, {lattice: record.lattice, timeoutMs, trusted})
  if (heard.some(({id, signedBy}) => id === record.id && trusted.includes(signedBy))) throw new CopiedLeafError(record)
  const others = heard.filter(({id}) => id !== record.id)
  refuseSecond(record, others)
  const mappings = await takeOver(options, others)
  if (record.form === 'account-wide' && Object.keys(mappings).length > 0) await refuseDoubling(options, mappings)
  return mappings
}

/** Two that split for all callers would each answer every call. */
function refuseSecond(record: LeafRecord, others: readonly HeardLeaf[]): void {
  const rival = others.find((other) => isRival(record, other))
  if (rival !== undefined) throw new SecondLeafError([rival.server.name, leafServerName(record)])
}

/**
 * Once it answers itself: one for the whole account that started at the same moment was not there before. The one with
 * the smaller id stays if the other one goes.
 */
export async function refuseLateSecond(
  {hub, record, timeoutMs}: Pick<JoinOptions, 'hub' | 'record' | 'timeoutMs'>,
  clock: Clock,
): Promise<void> {
  if (record.form === 'beside') return
  const deadline = clock.now() + Math.min(timeoutMs, 2000)
  for (;;) {
    const heard = await readLeaves(hub, {lattice: record.lattice, timeoutMs})
    const others = heard.filter(({id}) => id !== record.id)
    const goesFirst = others.every((other) => !isRival(record, other) || record.id < other.id)
    if (!goesFirst || clock.now() >= deadline) refuseSecond(record, others)
    if (!others.some((other) => isRival(record, other))) return
    await clock.sleep(100)
  }
}

/** Also those beside their callers share a name only with their like. */
export function isRival(
  {form, sources, name}: Pick<LeafRecord, 'form' | 'sources' | 'name'>,
  other: Pick<HeardLeaf, 'form' | 'sources' | 'name'>,
): boolean {
  const wide = [form, other.form].filter((one) => one === 'account-wide').length
  if (wide === 0) return false
  if (wide === 1) return name === other.name
  if (sources.length === 0 || other.sources.length === 0) return true
  return sources.some((source) => other.sources.some((theirs) => subjectsOverlap(source, theirs)))
}

async function takeOver(
  {record, files, keys, report, dryRun = false}: JoinOptions,
  others: readonly HeardLeaf[],
): Promise<LeafMappings> {
  const file = files.mappings
  const own = await readOwn(file)
  const accepts = await readAccepted(keys)
  const peers = others.filter(({name}) => name === record.name)
  const trusted = peers.filter(({signedBy}) => accepts.includes(signedBy))
  for (const {server, signedBy} of peers.filter((peer) => !trusted.includes(peer))) {
    const way = `start this one with --accept-key ${signedBy}, if that is a key of yours`
    report({kind: 'warning', message: `What leaf node '${server.name}' splits is not taken over: ${way}.`})
  }
  const theirs = majority(trusted)
  const taken = theirs !== undefined && !sameMappings(theirs, own)
  const [kept, left] = within(taken ? theirs : own, record)
  if (!dryRun) await writeFileAtomic(file, renderMappings(new Map(Object.entries(kept))))
  if (taken) {
    const names = trusted.map(({server}) => `'${server.name}'`).join(', ')
    report({kind: 'note', message: `${dryRun ? 'Would take' : 'Took'} over the mappings of ${names}.`})
  }
  for (const source of left) {
    report({kind: 'warning', message: `The mapping of '${source}' is left out: it needs --source '${source}'.`})
  }
  return kept
}

async function readOwn(file: string): Promise<LeafMappings> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return ''
  })
  return wireMappings(asTokenMappings(parseMappings(text, file)))
}

/** What most of them have; undefined where there is none. */
function majority(leaves: readonly HeardLeaf[]): LeafMappings | undefined {
  const groups = [...Map.groupBy(leaves, ({mappings}) => digestOf(mappings)).values()]
  return groups.sort((a, b) => b.length - a.length)[0]?.[0]?.mappings
}

function within(mappings: LeafMappings, record: LeafRecord): [LeafMappings, string[]] {
  const entries = Object.entries(mappings)
  const kept = entries.filter(([source]) => maySplit(record, source))
  return [Object.fromEntries(kept), entries.map(([source]) => source).filter((source) => !maySplit(record, source))]
}

async function refuseDoubling({hub, settings, timeoutMs}: JoinOptions, mappings: LeafMappings): Promise<void> {
  if (settings.allow.includes('source-doubled')) return
  const workers = await readWorkers(hub, Object.keys(mappings), timeoutMs)
  if (workers.length > 0) throw new DoubledError(workers)
}

/** Two of one id would both take a change, or neither. */
class CopiedLeafError extends ConflictError {
  constructor({name, id}: LeafRecord) {
    super(`Leaf node '${name}' with the id '${id}' runs elsewhere: its folder was copied.`, {
      suggestions: [
        'Remove the copied folder: a new leaf node takes over the mappings.',
        'lattice leaf run --name OTHER',
      ],
      details: {rule: 'twin-leaves', name, id},
    })
  }
}

/** The leaf node's mappings are there, and so are those who would answer beside them. */
class DoubledError extends UnsafeError {
  constructor(workers: readonly string[]) {
    const names = workers.map((subject) => `'${subject}'`).join(', ')
    super(
      `Workers at the account's servers listen on ${names}, which this leaf node splits: each call would be handled twice.`,
      {
        suggestions: [
          'End those workers, or let them listen on the subject of their version only.',
          '--allow source-doubled',
        ],
        details: {rule: 'source-doubled', subjects: workers},
      },
    )
  }
}
