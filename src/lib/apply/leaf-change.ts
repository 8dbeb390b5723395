import {
  ConflictError,
  ConnectionError,
  ServerError,
  TimeoutError,
  UnsafeError,
  UsageError,
  type ErrorKind,
  type ErrorOptions,
  type LatticeError,
} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import {changeLeaf, readLeaves, type HeardLeaf} from '../leaf/client.js'
import type {ChangeReply} from '../leaf/state.js'
import {NoRespondersError} from '../nats/request.js'
import {compareTables, type MappingTable} from '../routing/effective.js'
import {changeMappings, predictFile} from './config-table.js'
import {SentUnknownError, type TableChange} from './driver.js'
import {tableOf, type LeafTarget} from './leaf-group.js'

/** Whom to tell, and whose word it is. */
export interface LeafAccess extends LeafTarget {
  readonly key: SigningKey
}

/** What a leaf node has after a change. */
export interface ChangedLeaf {
  readonly leaf: HeardLeaf
  readonly wanted: MappingTable
  /** Digest of its file now. */
  readonly digest: string
  readonly notes: readonly string[]
}

/** The leaf node's table after a change of some sources. */
export function wantedTable({mappings}: Pick<HeardLeaf, 'mappings'>, change: TableChange): MappingTable {
  return predictFile(changeMappings(new Map(Object.entries(mappings)), change))
}

/**
 * Changes one leaf node and waits until its server has it. Throws the leaf node's own error where it says no, and a
 * SentUnknownError where it was asked and what came of it cannot be found out.
 */
export async function changeOne(access: LeafAccess, leaf: HeardLeaf, change: TableChange): Promise<ChangedLeaf> {
  const {connection, lattice, key, timeoutMs} = access
  const wanted = wantedTable(leaf, change)
  const asked = {
    leaf: leaf.id,
    nonce: leaf.nonce,
    expects: leaf.digest,
    change: change.map(({source, destinations}) => ({source, destinations: destinations ? [...destinations] : null})),
  }
  const heard = await changeLeaf(connection, {lattice, change: asked, key}, timeoutMs).then(
    (reply) => ({reply}),
    (error: unknown) => ({error}),
  )
  if ('reply' in heard) return told(leaf, wanted, heard.reply)
  const {error} = heard
  if (error instanceof NoRespondersError) throw new GoneLeafError(leaf)
  if (!(error instanceof TimeoutError) && !(error instanceof ConnectionError)) throw error
  return lookAgain(access, {leaf, wanted}, error)
}

function told(leaf: HeardLeaf, wanted: MappingTable, reply: ChangeReply): ChangedLeaf {
  if ('state' in reply) return {leaf, wanted, digest: reply.state.digest, notes: reply.notes}
  const failure = errorOf(leaf, reply.error)
  throw reply.error.unknown ? new SentUnknownError(failure) : failure
}

/** No answer came: the leaf node's nonce tells whether it took the change. */
async function lookAgain(
  {connection, lattice, timeoutMs, trusted}: LeafAccess,
  {leaf, wanted}: {readonly leaf: HeardLeaf; readonly wanted: MappingTable},
  cause: LatticeError,
): Promise<ChangedLeaf> {
  const found = await readLeaves(connection, {lattice, timeoutMs, trusted}).catch(() => [])
  const now = found.find(({id, signedBy}) => id === leaf.id && signedBy === leaf.signedBy)
  if (now !== undefined && now.nonce !== leaf.nonce && compareTables(tableOf(now), wanted).length === 0) {
    return {leaf, wanted, digest: now.digest, notes: []}
  }
  throw new SentUnknownError(cause)
}

type LeafFailure = Extract<ChangeReply, {readonly error: unknown}>['error']

const errors: Partial<Record<ErrorKind, new (sentence: string, options: ErrorOptions) => LatticeError>> = {
  conflict: ConflictError,
  unsafe: UnsafeError,
  usage: UsageError,
  connection: ConnectionError,
  timeout: TimeoutError,
}

/** The leaf node's own words as an error of this command, of the same kind. */
function errorOf({server}: HeardLeaf, {kind, message, suggestions}: LeafFailure): LatticeError {
  const Failure = errors[kind] ?? ServerError
  return new Failure(`Leaf node '${server.name}' refused: ${message}`, {
    suggestions,
    details: {leaf: server.name, kind},
  })
}

class GoneLeafError extends ConnectionError {
  constructor({server}: HeardLeaf) {
    super(`Leaf node '${server.name}' is gone.`, {suggestions: ['lattice leaf ls'], details: {leaf: server.name}})
  }
}
