import {setTimeout} from 'node:timers/promises'

import {headers, nuid, type MsgHdrs} from '@nats-io/transport-node'

import {ConnectionError, ServerError, TimeoutError} from '../errors.js'
import {NoRespondersError, request} from '../nats/request.js'
import type {BucketEntry} from './bucket-entry.js'
import {jsCodes, readAnswer, unexpectedAnswer, type JetStream} from './jetstream.js'

/** One of the writes that are one. */
export interface BatchWrite {
  readonly key: string
  readonly value: Uint8Array
  /** The revision that must stand there; 0 for none. */
  readonly expected: number
}

type Present = ReadonlyMap<string, BucketEntry>
type ReadBack = (writes: readonly BatchWrite[]) => Promise<Present>

const mostAttempts = 3
const retryMs = 500
const refusedMs = 50

/**
 * Writes all of up to 1000 values or none; the stream must allow it (`allow_atomic`, nats-server 2.12). `conflict` means
 * that one of the expected revisions was not there. When the answer is lost, what stands there is read: all of it is ours,
 * or nothing was stored and it is sent once more.
 */
export async function writeAtOnce(
  js: JetStream,
  bucket: string,
  writes: readonly BatchWrite[],
  readBack: ReadBack,
): Promise<'written' | 'conflict'> {
  const deadline = performance.now() + js.timeoutMs
  for (let attempt = 1; ; attempt++) {
    const answer = await sendBatch(js, bucket, writes).catch((error: unknown) => {
      if (mayPass(error)) return error
      throw error
    })
    if (answer === 'written') return answer
    const present = await readBack(writes)
    // What was sent once and refused was stored by somebody else.
    if ((attempt > 1 || answer !== 'conflict') && isStored(writes, present)) return 'written'
    if (answer !== 'conflict') {
      if (attempt >= mostAttempts) throw answer
      await setTimeout(retryMs)
      continue
    }
    // A leader that stood still refuses by what it knew for a moment more.
    if (!isAsExpected(writes, present)) return answer
    if (performance.now() > deadline) throw falselyRefused(bucket)
    await setTimeout(refusedMs)
  }
}

/** An answer that was lost, or nobody who took it, as while a leader is chosen. */
function mayPass(error: unknown): error is Error {
  return error instanceof TimeoutError || error instanceof ConnectionError || error instanceof NoRespondersError
}

async function sendBatch(
  {nc, writePrefix, timeoutMs}: JetStream,
  bucket: string,
  writes: readonly BatchWrite[],
): Promise<'written' | 'conflict'> {
  const id = nuid.next()
  const subjectOf = ({key}: BatchWrite): string => `${writePrefix}$KV.${bucket}.${key}`
  const last = writes.at(-1)!
  writes.slice(0, -1).forEach((write, index) => {
    nc.publish(subjectOf(write), write.value, {headers: batchHeaders(id, index + 1, write)})
  })
  const head = batchHeaders(id, writes.length, last)
  head.set('Nats-Batch-Commit', '1')
  const reply = await request(nc, subjectOf(last), last.value, {timeoutMs, headers: head})
  const {error, fields} = readAnswer(reply.string(), subjectOf(last))
  const conflicts: readonly number[] = [jsCodes.wrongLastSequence, jsCodes.wrongLastSequenceUnknown]
  if (error !== undefined && conflicts.includes(error.code)) return 'conflict'
  if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${bucket}' refused the records`)
  if (fields['count'] === writes.length) return 'written'
  throw new ServerError(`The bucket '${bucket}' did not take the records as one.`, {details: {answer: fields}})
}

function batchHeaders(id: string, sequence: number, {expected}: BatchWrite): MsgHdrs {
  const head = headers()
  head.set('Nats-Batch-Id', id)
  head.set('Nats-Batch-Sequence', String(sequence))
  head.set('Nats-Expected-Last-Subject-Sequence', String(expected))
  return head
}

function isStored(writes: readonly BatchWrite[], present: Present): boolean {
  return writes.every(({key, value, expected}) => {
    const entry = present.get(key)
    return entry !== undefined && entry.revision > expected && Buffer.compare(entry.value, value) === 0
  })
}

function isAsExpected(writes: readonly BatchWrite[], present: Present): boolean {
  return writes.every(({key, expected}) => (present.get(key)?.revision ?? 0) === expected)
}

function falselyRefused(bucket: string): ServerError {
  return new ServerError(`The bucket '${bucket}' refuses the records though each is at the revision that was read.`, {
    suggestions: ['Run the same command again.'],
    details: {bucket},
  })
}
