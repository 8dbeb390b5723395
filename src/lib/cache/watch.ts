import type {NatsConnection} from '@nats-io/transport-node'

import {systemClock} from '../clock.js'
import {ConnectionError, TimeoutError} from '../errors.js'
import {NoPermissionError} from '../nats/request.js'
import type {BucketEntry, WatchOptions} from './bucket-entry.js'
import {askBucketState} from './bucket-state.js'
import {MissingBucketError} from './bucket-errors.js'
import {Delivery, type Delivered} from './delivery.js'
import {Freshness} from './freshness.js'
import {NoJetStreamError, type JetStream} from './jetstream.js'
import {KnownKeys} from './known-keys.js'
import {Reading} from './reading.js'
import {StateChecks, type Asked} from './state-checks.js'

/** The bucket that is watched. */
export interface WatchSource {
  readonly js: JetStream
  readonly bucket: string
  /** The latest revision of a key as the leader knows it. */
  readonly last: (key: string) => Promise<BucketEntry | undefined>
}

const heartbeatMs = 500
const retryMs = 250
const attemptMs = 2000

/**
 * Yields present values and then changes until the signal aborts. Each trouble (a gap, three missed heartbeats, a
 * consumer or bucket that is gone, revisions that went unsaid) leads to a new reading of everything: what has another
 * revision is yielded, and what is no longer there is yielded as `DEL`. A bucket that is missing is an empty one that
 * may come. Throws when the connection is closed for good, or when at the beginning it is not one to JetStream or may not
 * read.
 */
export async function* watchBucket(
  source: WatchSource,
  {signal, key, prefix = '', checkMs = 500, report = () => undefined}: WatchOptions,
): AsyncGenerator<BucketEntry> {
  using freshness = new Freshness(2 * checkMs + 600, report)
  const watch: Watch = {source, filter: key ?? `${prefix}>`, checkMs, freshness, known: new KnownKeys(), signal}
  let answers = 0
  let misses = 0
  while (!aborted(signal)) {
    const opened = await open(watch)
    if (opened === undefined) return
    if (opened.kind === 'failed') {
      if (answers === 0 && isFinal(opened.error)) throw opened.error
      if (opened.error instanceof TimeoutError) await hangUpWhenDeaf(source.js.nc, signal)
      await pause(retryMs, signal)
      continue
    }
    answers++
    misses = opened.kind === 'missing' ? misses + 1 : 0
    if (opened.kind === 'missing') yield* absent(watch, opened.at, misses)
    else yield* follow(watch, opened)
    // Whatever goes wrong over and over must not be tried without a breath.
    await pause(opened.at + retryMs - performance.now(), signal)
  }
}

interface Watch {
  readonly source: WatchSource
  readonly filter: string
  readonly checkMs: number
  readonly freshness: Freshness
  readonly known: KnownKeys
  readonly signal: AbortSignal
}

type Opened =
  | {readonly kind: 'missing'; readonly at: number}
  | {readonly kind: 'failed'; readonly error: unknown}
  | ({readonly kind: 'open'; readonly delivery: Delivery} & Asked)

/** Starts a reading; undefined when the signal aborted meanwhile. */
async function open({source, filter, signal}: Watch): Promise<Opened | undefined> {
  const {nc, timeoutMs} = source.js
  if (nc.isClosed()) {
    throw new ConnectionError(`The connection was closed while the bucket '${source.bucket}' was watched.`)
  }
  const js = {...source.js, timeoutMs: Math.min(timeoutMs, attemptMs)}
  const at = performance.now()
  const opening = (async (): Promise<Opened> => {
    const state = await askBucketState(js, source.bucket)
    if (state === undefined) return {kind: 'missing', at}
    const delivery = await Delivery.open(js, source.bucket, {filter, policy: 'last_per_subject', heartbeatMs})
    return {kind: 'open', state, at, delivery}
  })().catch((error: unknown): Opened => {
    return error instanceof MissingBucketError ? {kind: 'missing', at} : {kind: 'failed', error}
  })
  const opened = await untilAborted(opening, signal)
  if (opened === undefined) {
    void opening.then((late) => (late.kind === 'open' ? late.delivery[Symbol.asyncDispose]() : undefined))
  }
  return opened
}

/** What no waiting mends. */
function isFinal(error: unknown): boolean {
  return error instanceof NoJetStreamError || error instanceof NoPermissionError
}

/** Keys of a bucket that is gone are gone, unless it is just being made anew. */
async function* absent(
  {known, freshness, checkMs, signal}: Watch,
  at: number,
  misses: number,
): AsyncGenerator<BucketEntry> {
  if (misses === 1 && known.size > 0) return
  for (const key of known.keys) yield known.vanish(key)
  freshness.prove(at)
  await pause(checkMs, signal)
}

async function* follow(watch: Watch, opened: Asked & {readonly delivery: Delivery}): AsyncGenerator<BucketEntry> {
  const {source, known, freshness, signal} = watch
  await using delivery = opened.delivery
  const reading = new Reading(known)
  using checks = startChecks(watch, opened, reading)
  let shown = 0
  for (;;) {
    if (!reading.complete && shown >= opened.state.last) {
      const settled = await untilAborted(settle(source, reading.end()).catch(noAnswer), signal)
      if (settled === undefined) return
      for (const [key, last] of settled) {
        if (last === undefined) yield known.vanish(key)
        else if (known.take(last)) yield last
      }
    }
    if (reading.complete) freshness.prove(checks.provenBy(shown))
    const delivered = await nextAlive(delivery, signal)
    if (delivered.kind === 'lost' || aborted(signal)) return
    if (delivered.kind === 'idle') {
      shown = Math.max(shown, delivered.upTo)
      continue
    }
    const {entry} = delivered
    freshness.progress()
    if (reading.admits(entry) && known.take(entry)) yield entry
    shown = entry.revision
  }
}

function startChecks(
  {source, checkMs}: Watch,
  opened: Asked & {readonly delivery: Delivery},
  reading: Reading,
): StateChecks {
  const {delivery} = opened
  return new StateChecks(source.js, source.bucket, opened, {
    everyMs: checkMs,
    answered: () => delivery.nudge(),
    gone: () => delivery.lose(),
    removed: () => (reading.mayRepeat() ? delivery.lose() : undefined),
  })
}

/** More questions than these take longer than the doubt can last. */
const mostQuestions = 500

/**
 * What the leader says about keys of which a reading showed nothing, or less than was known: they are gone, or they were
 * written while it was read.
 */
async function settle({last}: WatchSource, doubts: ReadonlyMap<string, BucketEntry | undefined>): Promise<Doubts> {
  if (doubts.size > mostQuestions) return [...doubts]
  return Promise.all([...doubts.keys()].map(async (key) => [key, await last(key)] as const))
}

type Doubts = readonly (readonly [key: string, last: BucketEntry | undefined])[]

function noAnswer(): undefined {
  return undefined
}

/** Three heartbeats without a word mean that nothing arrives any more, whatever the connection says. */
async function nextAlive(delivery: Delivery, signal: AbortSignal): Promise<Delivered> {
  const delivered = await delivery.next(3 * heartbeatMs, signal)
  return delivered.kind === 'idle' && delivery.silentMs >= 3 * heartbeatMs - 10 ? {kind: 'lost'} : delivered
}

/**
 * A server that answers nobody may be gone without the connection having noticed, which would take it minutes; a new
 * connection finds another server, or the same one as soon as it is back.
 */
async function hangUpWhenDeaf(nc: NatsConnection, signal: AbortSignal): Promise<void> {
  const answered = nc.flush().then(
    () => true,
    () => true,
  )
  const waited = pause(attemptMs, signal).then(() => false)
  if (!(await Promise.race([answered, waited])) && !aborted(signal)) await nc.reconnect()
}

/** Resolves when the time is over or the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return ms <= 0 ? Promise.resolve() : systemClock.sleep(ms, signal).catch(() => undefined)
}

/** What the promise gives; undefined when the signal aborts first. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(undefined)
    signal.addEventListener('abort', stop, {once: true})
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/** A call, so that the compiler does not take an earlier answer for the present one. */
function aborted(signal: AbortSignal): boolean {
  return signal.aborted
}
