import {setTimeout as sleep} from 'node:timers/promises'

import type {NatsConnection} from '@nats-io/transport-node'

import type {Attempt} from './open-target.js'
import type {Target} from './target.js'

/** A server that is not connected by then is not waited for alone. */
const longestStaggerMs = 300

/**
 * Attempts the servers in turn, each as soon as the one before failed or takes long, so that a dead one costs no time; the
 * first connection wins. All have begun by half of `timeMs`, which the attempts must end within. All attempts, in the
 * order of the targets, when there is no connection.
 */
export async function openFirst(
  targets: readonly Target[],
  timeMs: number,
  attempt: (target: Target, wanted: () => boolean) => Promise<Attempt>,
): Promise<NatsConnection | readonly Attempt[]> {
  let winner: NatsConnection | undefined
  const attempts: Promise<Attempt>[] = []
  const anyOpen = Promise.withResolvers<undefined>()
  const settle = (ended: Attempt): Attempt => {
    if (ended.kind !== 'open') return ended
    if (winner !== undefined) void ended.connection.close()
    winner ??= ended.connection
    anyOpen.resolve(undefined)
    return ended
  }
  const staggerMs = Math.min(longestStaggerMs, timeMs / 2 / targets.length)
  for (const target of targets) {
    const started = attempt(target, () => winner === undefined).then(settle)
    attempts.push(started)
    await Promise.race([started, anyOpen.promise, sleep(staggerMs, undefined, {ref: false})])
    if (winner !== undefined) return winner
  }
  const ended = await Promise.race([anyOpen.promise, Promise.all(attempts)])
  return winner ?? ended ?? []
}
