import {randomBytes} from 'node:crypto'

import type {Msg, NatsConnection} from '@nats-io/transport-node'

import {ServerError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import {parseReply, request, requestJson, requestMany} from '../nats/request.js'
import {isSignedBy, signText} from './sign.js'
import {
  changeReplySchema,
  leafStateSchema,
  signedSchema,
  type ChangeReply,
  type LeafChange,
  type LeafState,
} from './state.js'
import {leafSubjects} from './subjects.js'

/** A leaf node's word about itself, and the key that stands for it. */
export interface HeardLeaf extends LeafState {
  /** The key that signed just this answer to just this question; undefined: anybody of the account may have made it. */
  readonly signedBy?: string
}

export interface ReadLeavesOptions {
  readonly lattice: string
  readonly timeoutMs: number
  /** Stop as soon as so many have answered. */
  readonly expect?: number
  /** Names of the servers that were there before; they are waited for longer. */
  readonly known?: readonly string[]
}

/** A leaf node behind a slow link; after the last answer it is waited for this long. */
const stallMs = 300
/** One that was there before may be busy; to pass over it would split callers in two ways. */
const knownMs = 2000

/** Every leaf node of ours in the lattice, sorted by name and id; empty when none runs. */
export async function readLeaves(
  nc: NatsConnection,
  {lattice, timeoutMs, expect, known = []}: ReadLeavesOptions,
): Promise<HeardLeaf[]> {
  const {read} = leafSubjects(lattice)
  const challenge = randomBytes(12).toString('base64url')
  const waited = new Set<string | undefined>(known)
  const replies = await requestMany(nc, read, JSON.stringify({challenge}), {
    timeoutMs,
    stallMs: (heard) => {
      waited.delete(nameOf(heard.at(-1)!))
      return waited.size === 0 ? stallMs : knownMs
    },
    firstMs: Math.min(timeoutMs, known.length === 0 ? 1000 : knownMs),
    ...(expect === undefined ? {} : {expect}),
  })
  const leaves = replies.map((reply) => parseLeaf(parseReply(reply.string(), read), challenge))
  return [...new Map(leaves.map((leaf) => [leaf.id, leaf])).values()].sort((a, b) =>
    `${a.name} ${a.id}` < `${b.name} ${b.id}` ? -1 : 1,
  )
}

/** Of its server; undefined where that is not to be read, which is told when all are in. */
function nameOf(msg: Msg): string | undefined {
  try {
    return parseLeaf(parseReply(msg.string(), 'a leaf node'), '').server.name
  } catch (error) {
    if (error instanceof ServerError) return undefined
    throw error
  }
}

function parseLeaf(reply: unknown, challenge: string): HeardLeaf {
  const signed = signedSchema.safeParse(reply)
  if (!signed.success) throw new LeafAnswerError('is no signed state')
  const state = leafStateSchema.safeParse(parseReply(signed.data.text, 'a leaf node'))
  if (!state.success) throw new LeafAnswerError(`does not fit: ${state.error.issues[0]?.path.join('.') ?? ''}`)
  const {by} = signed.data
  const fresh = state.data.challenge === challenge && isSignedBy([by], 'lattice leaf state', signed.data)
  return {...state.data, ...(fresh ? {signedBy: by} : {})}
}

/**
 * Tells one leaf node to change its mappings, signed; the answer comes when its server has them, or not at all: then a
 * RequestTimeoutError or a LostConnectionError, and what became of it is unknown.
 */
export async function changeLeaf(
  nc: NatsConnection,
  {lattice, change, key}: {readonly lattice: string; readonly change: LeafChange; readonly key: SigningKey},
  timeoutMs: number,
): Promise<ChangeReply> {
  const subject = leafSubjects(lattice).change(change.leaf)
  const signed = signText(key, 'lattice leaf change', JSON.stringify(change))
  const reply = await request(nc, subject, JSON.stringify(signed), {timeoutMs})
  const parsed = changeReplySchema.safeParse(parseReply(reply.string(), subject))
  if (parsed.success) return parsed.data
  throw new LeafAnswerError(`does not fit: ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
}

/** What a leaf node's own server says of the callers' account there; not validated. */
export async function askLeaf(
  nc: NatsConnection,
  {id, lattice}: Pick<LeafState, 'id' | 'lattice'>,
  {endpoint, body = {}, timeoutMs}: {readonly endpoint: string; readonly body?: unknown; readonly timeoutMs: number},
): Promise<unknown> {
  return requestJson(nc, leafSubjects(lattice).ask(id), {endpoint, body}, {timeoutMs, again: true})
}

/** Somebody answers as a leaf node of ours and is none that this version knows. */
export class LeafAnswerError extends ServerError {
  constructor(reason: string) {
    super(`The answer of a leaf node ${reason}.`, {
      suggestions: ['Run the same version of lattice on both sides: lattice --version'],
    })
  }
}
