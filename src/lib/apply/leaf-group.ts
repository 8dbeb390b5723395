import type {NatsConnection} from '@nats-io/transport-node'

import {AmbiguousError, ConflictError, ConnectionError, UnsafeError} from '../errors.js'
import {readLeaves, type HeardLeaf} from '../leaf/client.js'
import {compareTables, type MappingTable, type TokenMappings} from '../routing/effective.js'
import {predictFile} from './config-table.js'
import type {ReadOptions, ServerView} from './driver.js'

/** Which leaf nodes are meant. */
export interface LeafTarget {
  readonly connection: NatsConnection
  readonly lattice: string
  /** Undefined: those of the only name there is. */
  readonly name: string | undefined
  readonly timeoutMs: number
  /** Keys whose word for a leaf node counts more than any other. */
  readonly trusted?: readonly string[] | undefined
  /** Names of the servers that were there at the last change. */
  readonly known?: readonly string[] | undefined
}

/** The leaf nodes that split alike. */
export interface LeafGroup {
  readonly name: string
  readonly leaves: readonly HeardLeaf[]
  /** All leaf nodes that there are, those of other names too. */
  readonly heard: readonly HeardLeaf[]
  /** False where their files say different things. */
  readonly agreed: boolean
}

/**
 * Reads the leaf nodes of one name. Throws a NoLeafError where none answers, an AmbiguousError where several names do and
 * none was given, and a ConflictError where two answer as one, where they are of two forms or, unless the newest will do, have different
 * mappings.
 */
export async function readGroup(
  target: LeafTarget,
  {newest = false, expect}: ReadOptions & {readonly expect?: readonly HeardLeaf[] | undefined} = {},
): Promise<LeafGroup> {
  const {connection, lattice, timeoutMs, trusted, known = []} = target
  const all = await readLeaves(connection, {
    ...{lattice, timeoutMs, known, trusted},
    ...(expect === undefined ? {} : {expect}),
  })
  refuseTwins(all)
  const names = [...new Set(all.map(({name}) => name))]
  const name = target.name ?? names[0]
  if (target.name === undefined && names.length > 1) throw new SeveralLeavesError(lattice, names)
  const leaves = all.filter((leaf) => leaf.name === name)
  const [first, ...others] = leaves
  if (name === undefined || first === undefined) throw new NoLeafError(target, names)
  refuseMixedForms(leaves)
  const other = others.find((leaf) => compareTables(tableOf(first), tableOf(leaf)).length > 0)
  if (other !== undefined && !newest) throw new LeavesDifferError(first.server.name, other.server.name)
  return {name, leaves, heard: all, agreed: other === undefined}
}

/** The table that its server makes of a leaf node's file. */
export function tableOf({mappings}: Pick<HeardLeaf, 'mappings'>): MappingTable {
  return predictFile(new Map(Object.entries(mappings)))
}

/** What a leaf node's server serves, as of any server. */
export function serverView({server, live}: HeardLeaf): ServerView {
  if (live === null) return {server}
  return {server, live: {token: '', table: new Map(Object.entries(live)), expired: false}}
}

/** What most of them have, which where they agree is what all have. */
export function mappingsOf({leaves}: Pick<LeafGroup, 'leaves'>): TokenMappings {
  const counted = [...Map.groupBy(leaves, ({digest}) => digest).values()].sort((a, b) => b.length - a.length)
  const {mappings = {}} = counted[0]?.[0] ?? {}
  return Object.fromEntries(
    Object.entries(mappings).map(([source, list]) => [source, list.filter(({weight}) => weight > 0)]),
  )
}

/** A change would be taken by one of them, and nobody could tell which. */
function refuseTwins(all: readonly HeardLeaf[]): void {
  const twin = all.find(({id}, index) => all.findIndex((one) => one.id === id) !== index)
  if (twin !== undefined) throw new TwinLeavesError(all.filter(({id}) => id === twin.id))
}

/** One that is for all callers answers them along with those that are for their own. */
function refuseMixedForms(leaves: readonly HeardLeaf[]): void {
  const wide = leaves.filter(({form}) => form === 'account-wide')
  if (wide.length === 0 || leaves.length === 1) return
  throw new SecondLeafError(leaves.map(({server}) => server.name))
}

/** Every call of a routed subject would be answered once by each of them. */
export class SecondLeafError extends UnsafeError {
  constructor(servers: readonly string[]) {
    super(
      `The leaf nodes ${servers.map((name) => `'${name}'`).join(' and ')} would each answer every call: only one may split for the whole account.`,
      {
        suggestions: ['lattice leaf ls', 'lattice leaf stop   (on the machine of the one that should not run)'],
        details: {rule: 'second-leaf', servers},
      },
    )
  }
}

/** A server sends nothing back to the cluster that a leaf node's link brought it from: every call would be unanswered. */
export class ClusteredHubError extends UnsafeError {
  constructor(servers: readonly string[], cluster: string) {
    const names = servers.map((name) => `'${name}'`).join(', ')
    super(
      `Leaf node ${names} cannot split for the whole account: its servers are the cluster '${cluster}', to which it can send nothing back, so nobody would get an answer.`,
      {
        suggestions: ['lattice leaf run --source SUBJECT   (beside the callers, without --account-wide)'],
        details: {rule: 'clustered-hub', cluster},
      },
    )
  }
}

/** A leaf node's folder was copied, or somebody of the account pretends to be that leaf node. */
class TwinLeavesError extends ConflictError {
  constructor(twins: readonly HeardLeaf[]) {
    const [{id, server}] = twins as [HeardLeaf]
    super(`${twins.length} answer as leaf node '${server.name}', so none of them can be believed or changed.`, {
      suggestions: [
        'lattice leaf ls',
        '--leaf-key FILE   (a key that the right one signs with)',
        'Where a folder of a leaf node was copied: remove the copy, and start a new one there.',
      ],
      details: {rule: 'twin-leaves', id, signedBy: twins.map(({signedBy}) => signedBy)},
    })
  }
}

/** No leaf node of that name runs, or none at all. */
export class NoLeafError extends ConnectionError {
  constructor({lattice, name}: Pick<LeafTarget, 'lattice' | 'name'>, others: readonly string[]) {
    super(
      name === undefined
        ? `No leaf node of lattice '${lattice}' answers.`
        : `No leaf node '${name}' of lattice '${lattice}' answers.`,
      {
        suggestions: [
          ...others.map((other) => `--leaf ${other}`),
          'lattice leaf run --source SUBJECT   (where the callers are)',
          'lattice leaf ls',
        ],
        details: {lattice, ...(name === undefined ? {} : {name}), others},
      },
    )
  }
}

class SeveralLeavesError extends AmbiguousError {
  constructor(lattice: string, names: readonly string[]) {
    super(`Leaf nodes of ${names.length} names answer in lattice '${lattice}', and none was named.`, {
      suggestions: names.map((name) => `--leaf ${name}`),
      details: {lattice, candidates: names},
    })
  }
}

/** Callers would be split differently depending on where they connect. */
class LeavesDifferError extends ConflictError {
  constructor(one: string, other: string) {
    super(`The mappings of the leaf nodes '${one}' and '${other}' differ, so none of them can be changed safely.`, {
      suggestions: ['lattice leaf ls', '--repair   (writes this route into all of them, and leaves the rest of each)'],
      details: {leaves: [one, other]},
    })
  }
}
