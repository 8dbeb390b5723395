import type {Clock} from '../clock.js'
import {patternOf} from '../routing/subject.js'
import {readCounters, snapshotOf, type CounterSource, type Snapshot} from './counters.js'
import {tallySplit, type ObservedAddress, type ObservedSplit} from './split.js'

export interface ObserveOptions {
  readonly addresses: readonly ObservedAddress[]
  /** How long messages are counted. */
  readonly windowMs: number
  readonly signal?: AbortSignal | undefined
}

/** Whom to ask, and the time. */
export type ObserveSource = CounterSource & {readonly clock: Clock}

/**
 * Counts what the subscribers of each address get over a window, on all servers; without the system account's
 * connection those of the user's own account. Rejects with the signal's reason when it is aborted.
 */
export async function observeSplit(
  source: ObserveSource,
  {addresses, windowMs, signal}: ObserveOptions,
): Promise<ObservedSplit> {
  const before = await takeSnapshot(source, addresses)
  await source.clock.sleep(windowMs, signal)
  return tallySplit(before, await takeSnapshot(source, addresses), addresses)
}

/** The counters now; two of them make a window, and the end of one may be the beginning of the next. */
export async function takeSnapshot(source: ObserveSource, addresses: readonly ObservedAddress[]): Promise<Snapshot> {
  // Servers answer within milliseconds, but the last one may be waited for.
  const at = source.clock.now()
  return snapshotOf(
    await readCounters(
      source,
      addresses.map(({subject}) => patternOf(subject)),
    ),
    at,
  )
}
