import {ConnectionError} from '../errors.js'
import {readLeaves, type HeardLeaf} from '../leaf/client.js'
import {openConnection} from '../nats/connect.js'
import type {ConnectSpec} from '../nats/spec.js'
import {isRunning} from '../server/process.js'
import {listRecords, type LeafRecord} from './places.js'

/** One leaf node of the lattice, wherever it runs. */
export interface ListedLeaf extends Pick<
  HeardLeaf,
  'id' | 'name' | 'lattice' | 'form' | 'sources' | 'connected' | 'problems'
> {
  /** `silent`: it runs here and does not answer; `stopped`: it is of this machine and does not run. */
  readonly state: 'runs' | 'silent' | 'stopped'
  /** True where it is one of this machine. */
  readonly here: boolean
  readonly url: string | null
  readonly server: HeardLeaf['server'] | null
  readonly mappings: HeardLeaf['mappings'] | null
  readonly live: HeardLeaf['live']
  readonly digest: string | null
  readonly accepts: readonly string[]
  /** The key that stands for what it says. */
  readonly signedBy: string | null
}

/** Leaf nodes, as far as they are known. */
export interface LeafListing {
  readonly leaves: readonly ListedLeaf[]
  /** Why those of other machines are not among them. */
  readonly unheard?: string
}

/** All leaf nodes that answer in the lattice, and those of this machine that do not; sorted by name and id. */
export async function listLeaves(spec: ConnectSpec): Promise<LeafListing> {
  const records = await listRecords(spec.lattice)
  const {heard, ...more} = await hearLeaves(spec, records)
  const silent = records.filter(({id}) => !heard.some((leaf) => leaf.id === id))
  const listed = [
    ...heard.map((leaf) =>
      listHeard(
        leaf,
        records.some(({id}) => id === leaf.id),
      ),
    ),
    ...(await Promise.all(silent.map(listRecord))),
  ]
  const leaves = listed.sort((a, b) => (`${a.name} ${a.id}` < `${b.name} ${b.id}` ? -1 : 1))
  return {leaves, ...more}
}

/** Where leaf nodes of this machine are known, these can be told without the account's servers. */
async function hearLeaves(spec: ConnectSpec, records: readonly LeafRecord[]): Promise<Heard> {
  try {
    return {heard: await readAll(spec, spec.timeoutMs)}
  } catch (error) {
    if (records.length === 0 || !(error instanceof ConnectionError)) throw error
    return {heard: [], unheard: error.message}
  }
}

interface Heard extends Pick<LeafListing, 'unheard'> {
  readonly heard: readonly HeardLeaf[]
}

async function readAll(spec: ConnectSpec, timeoutMs: number): Promise<HeardLeaf[]> {
  const connection = await openConnection(spec, {name: 'lattice leaf ls'})
  try {
    return await readLeaves(connection, {lattice: spec.lattice, timeoutMs})
  } finally {
    await connection.close()
  }
}

function listHeard({nonce: _nonce, challenge: _challenge, ...leaf}: HeardLeaf, here: boolean): ListedLeaf {
  return {...leaf, state: 'runs', here}
}

async function listRecord({id, name, lattice, form, sources, url, agent, server}: LeafRecord): Promise<ListedLeaf> {
  // A server whose agent was killed still splits.
  const running = [agent, server].filter((process) => process !== undefined)
  const runs = (await Promise.all(running.map(isRunning))).includes(true)
  return {
    ...{id, name, lattice, form, sources},
    connected: false,
    problems: [],
    state: runs ? 'silent' : 'stopped',
    here: true,
    url: url ?? null,
    ...{server: null, mappings: null, live: null, digest: null, accepts: [], signedBy: null},
  }
}
