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
  /** The key that signed just this answer to just this question; whether it is one to believe is for who asks to know. */
  readonly signedBy: string
}

type HeardBy = Pick<HeardLeaf, 'id' | 'signedBy'>

export interface ReadLeavesOptions {
  readonly lattice: string
  readonly timeoutMs: number
  /** Stop as soon as so many have answered, or all of these, each by its own key. */
  readonly expect?: number | readonly HeardBy[]
  /** Keys that are known: who answers by another as a leaf node that one of them stands for is not heard. */
  readonly trusted?: readonly string[] | undefined
  /** Names of the servers that were there before; they are waited for longer. */
  readonly known?: readonly string[]
}

/** A leaf node behind a slow link; after the last answer it is waited for this long. */
const stallMs = 300
/** One that was there before may be busy; to pass over it would split callers in two ways. */
const knownMs = 2000

/**
 * Every leaf node of ours in the lattice, sorted by name and id; empty when none runs. Anybody of the account can answer,
 * so what nobody signed just now is passed over, and one id may be there more than once, by several keys.
 */
export async function readLeaves(
  nc: NatsConnection,
  {lattice, timeoutMs, expect, known = [], trusted = []}: ReadLeavesOptions,
): Promise<HeardLeaf[]> {
  const {read} = leafSubjects(lattice)
  const challenge = randomBytes(12).toString('base64url')
  const waited = new Set(known)
  const parsed = new Map<Msg, Answer>()
  const parse = (msg: Msg): Answer => {
    const answer = parsed.get(msg) ?? parseLeaf(msg, {challenge, trusted})
    parsed.set(msg, answer)
    return answer
  }
  const replies = await requestMany(nc, read, JSON.stringify({challenge}), {
    timeoutMs,
    stallMs: (heard) => {
      const {leaf} = parse(heard.at(-1)!)
      if (leaf !== undefined) waited.delete(leaf.server.name)
      return waited.size === 0 ? stallMs : knownMs
    },
    firstMs: Math.min(timeoutMs, known.length === 0 ? 1000 : knownMs),
    ...(expect === undefined ? {} : {expect: enough(expect, parse)}),
  })
  const leaves = replies.flatMap((reply) => {
    const {leaf, error} = parse(reply)
    if (error !== undefined) throw error
    return leaf === undefined ? [] : [leaf]
  })
  return vouchedFor(leaves, trusted).sort((a, b) => (`${a.name} ${a.id}` < `${b.name} ${b.id}` ? -1 : 1))
}

/** Whether all have answered who are waited for; told of each answer as it comes. */
function enough(
  expect: number | readonly HeardBy[],
  parse: (msg: Msg) => Answer,
): (replies: readonly Msg[]) => boolean {
  const heard = new Set<string>()
  return (replies) => {
    const {leaf} = parse(replies.at(-1)!)
    if (replies.length === 1) heard.clear()
    if (leaf !== undefined) heard.add(`${leaf.id} ${leaf.signedBy}`)
    if (typeof expect === 'number') return heard.size >= expect
    return expect.every(({id, signedBy}) => heard.has(`${id} ${signedBy}`))
  }
}

/** Each word once; where a known key stands for a leaf node, no other can. */
function vouchedFor(leaves: readonly HeardLeaf[], trusted: readonly string[]): HeardLeaf[] {
  const sure = new Set(leaves.flatMap(({id, signedBy}) => (trusted.includes(signedBy) ? [id] : [])))
  const believed = leaves.filter(({id, signedBy}) => !sure.has(id) || trusted.includes(signedBy))
  return [...new Map(believed.map((leaf) => [`${leaf.id} ${leaf.signedBy} ${leaf.nonce}`, leaf])).values()]
}

/** A leaf node's word, or why it cannot be read; neither where it is none: streams and taps answer as well. */
interface Answer {
  readonly leaf?: HeardLeaf
  readonly error?: LeafAnswerError
}

function parseLeaf(
  msg: Msg,
  {challenge, trusted}: {readonly challenge: string; readonly trusted: readonly string[]},
): Answer {
  const signed = signedSchema.safeParse(parseJson(msg.string()))
  if (!signed.success || !isSignedBy([signed.data.by], 'lattice leaf state', signed.data)) return {}
  const state = leafStateSchema.safeParse(parseJson(signed.data.text))
  if (!state.success) {
    // Of a version that is not known, unless somebody else only wants us to stop.
    if (trusted.length > 0 && !trusted.includes(signed.data.by)) return {}
    return {error: new LeafAnswerError(`does not fit: ${state.error.issues[0]?.path.join('.') ?? ''}`)}
  }
  return state.data.challenge === challenge ? {leaf: {...state.data, signedBy: signed.data.by}} : {}
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
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
