import {setTimeout} from 'node:timers/promises'

import {headers, nuid, type MsgHdrs} from '@nats-io/transport-node'

import {ServerError} from '../errors.js'
import {NoRespondersError, request} from '../nats/request.js'
import {MissingBucketError, nobodyTakes, originApi, RevisionConflictError} from './bucket-errors.js'
import {
  askApi,
  jsCodes,
  readAnswer,
  unexpectedAnswer,
  type ApiAnswer,
  type ApiError,
  type JetStream,
} from './jetstream.js'
import type {StoredMessage} from './stored-message.js'

/** One write of a key. */
export interface KeyWrite {
  readonly key: string
  readonly value: Uint8Array
  /** Leaves a marker of deletion. */
  readonly operation?: 'DEL' | undefined
  /** The revision that must stand there; 0 for none; undefined for whatever does. */
  readonly expected?: number | undefined
}

export interface BucketWriterOptions {
  readonly js: JetStream
  readonly bucket: string
  /** The latest message of a key. */
  readonly last: (key: string) => Promise<StoredMessage | undefined>
  /** Throws the UsageError for a value that is too large. */
  readonly checkSize: (key: string, value: Uint8Array) => Promise<void>
}

/** How long a bucket may be without anybody who takes its writes, or who knows what became of one. */
const leaderMs = 2000
/** How long a server may know less than was read before, in a cluster whose leader was away. */
const staleMs = 500
/** A refusal that took longer may be of something that was sent twice. */
const promptMs = 250
const pauseMs = 25
const longestPauseMs = 250

const wrongSequence: readonly number[] = [
  jsCodes.wrongLastSequence,
  jsCodes.wrongLastSequenceUnknown,
  jsCodes.wrongLastSequencePending,
]

/**
 * Writes one key of a bucket once, however often it has to be sent: by its id a server knows what it has already. That a
 * write is refused is believed only when what stands there bears it out, because a leader that stood still takes itself
 * for one for a moment more and judges by what it knew.
 */
export class BucketWriter {
  readonly #options: BucketWriterOptions
  readonly #write: KeyWrite
  readonly #id = nuid.next()
  readonly #began = performance.now()
  readonly #deadline: number

  constructor(options: BucketWriterOptions, write: KeyWrite) {
    this.#options = options
    this.#write = write
    this.#deadline = this.#began + options.js.timeoutMs
  }

  /** The revision that it got. Throws a RevisionConflictError when the expectation is not met. */
  async run(): Promise<number> {
    const {js, bucket} = this.#options
    const {key, operation} = this.#write
    let {expected} = this.#write
    let asked = false
    for (let pause = pauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
      const sent = performance.now()
      const {error, fields} = await this.#send(writeHeaders({operation, expected, id: this.#id}))
      if (error === undefined) return acknowledged(fields, `$KV.${bucket}.${key}`)
      if (expected === undefined || !wrongSequence.includes(error.code)) throw await this.#refusal(error)
      const present = await this.#options.last(key)
      if (present?.id === this.#id) return present.entry.revision
      const current = present?.entry.revision ?? 0
      // A deleted key does not exist, but its marker has a revision that the server compares with 0.
      if (expected === 0 && operation === undefined && present?.entry.operation === 'DEL') {
        expected = current
        continue
      }
      const now = performance.now()
      if (current === expected) {
        if (now > this.#deadline) throw this.#falselyRefused(error)
      } else if (current < expected) {
        // Somebody read that revision; without a cluster there is nobody to have forgotten it.
        if (js.nc.info?.cluster === undefined || now > this.#began + staleMs) throw this.#conflict(present)
      } else if (asked || (now - sent < promptMs && !knowsLess(error, expected))) {
        throw this.#conflict(present)
      } else {
        asked = true
        continue
      }
      await setTimeout(pause)
    }
  }

  /**
   * Nobody answers in a cluster for a moment after the bucket was made; nothing was stored then, so it is sent again. Nor
   * does anybody for a bucket that follows one of another domain, which is where writes go.
   */
  async #send(head: MsgHdrs): Promise<ApiAnswer> {
    const {js, bucket} = this.#options
    const {nc, timeoutMs, writePrefix} = js
    const subject = `$KV.${bucket}.${this.#write.key}`
    let until = performance.now() + Math.min(timeoutMs, leaderMs)
    let target = `${writePrefix}${subject}`
    for (;;) {
      try {
        const reply = await request(nc, target, this.#write.value, {timeoutMs, headers: head, again: true})
        const answer = readAnswer(reply.string(), target)
        const patience = answer.error && this.#patience(answer.error, until)
        if (patience === undefined || performance.now() > patience) return answer
      } catch (failure) {
        if (!(failure instanceof NoRespondersError)) throw failure
        const asked = performance.now()
        const {error, fields} = await askApi(js, `STREAM.INFO.KV_${bucket}`)
        if (error?.code === jsCodes.streamMissing) throw new MissingBucketError(bucket)
        if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${bucket}' cannot be written`)
        // Whoever leads it answers; the time until somebody did so is no reason to give up on a write.
        until = Math.min(this.#deadline, until + performance.now() - asked)
        if (performance.now() > until) throw nobodyTakes(bucket, fields, failure)
        const origin = originApi(fields)
        if (origin !== undefined) target = `${origin}.${subject}`
      }
      await setTimeout(pauseMs)
    }
  }

  /** Until when something is sent again that the server cannot judge yet; undefined for an answer that is one. */
  #patience({code}: ApiError, until: number): number | undefined {
    if (code === jsCodes.sameMessagePending) return until
    return code === jsCodes.wrongLastSequencePending ? this.#deadline : undefined
  }

  async #refusal(error: ApiError): Promise<Error> {
    const {bucket, checkSize} = this.#options
    const {key, value} = this.#write
    if (error.code === jsCodes.messageTooLarge) await checkSize(key, value)
    return unexpectedAnswer(error, `The bucket '${bucket}' refused the write of '${key}'`)
  }

  #conflict(present: StoredMessage | undefined): RevisionConflictError {
    const {key, expected} = this.#write
    return new RevisionConflictError(key, expected ?? 0, present?.entry.revision)
  }

  #falselyRefused({code, description, status}: ApiError): ServerError {
    const {bucket} = this.#options
    const {key, expected} = this.#write
    const waitedMs = Math.round(performance.now() - this.#began)
    const there = expected === 0 ? 'nothing stands there' : `it is at revision ${expected ?? 0}, as expected`
    return new ServerError(`The bucket '${bucket}' refuses the write of '${key}' though ${there}: ${description}.`, {
      suggestions: ['Run the same command again.'],
      details: {code, status, key, waitedMs},
    })
  }
}

/** The headers of a write; `id` is what the server knows it by when it is sent again. */
export function writeHeaders({
  operation,
  expected,
  id,
}: Pick<KeyWrite, 'operation' | 'expected'> & {id: string}): MsgHdrs {
  const head = headers()
  if (operation !== undefined) head.set('KV-Operation', operation)
  if (expected !== undefined) head.set('Nats-Expected-Last-Subject-Sequence', String(expected))
  head.set('Nats-Msg-Id', id)
  return head
}

function acknowledged({seq}: Readonly<Record<string, unknown>>, subject: string): number {
  if (typeof seq === 'number') return seq
  throw new ServerError(`The answer on '${subject}' is not an acknowledgement.`)
}

/** True when who refused did not know of the expected revision yet: what stands there now is nobody's reason. */
function knowsLess({description}: ApiError, expected: number): boolean {
  const told = /^wrong last sequence: (\d+)$/.exec(description)?.[1]
  return told !== undefined && Number(told) < expected
}
