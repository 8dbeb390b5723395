import type {Running, RunningNow} from '../cache/in-use.js'
import type {ControlClient} from '../control/client.js'
import {discover} from '../control/discover.js'
import {LatticeError} from '../errors.js'

/** Whoever waits for this wants to delete a record, and most often no host has anything to do with it. */
const longestMs = 2000

/** What all hosts that answer say that they run, of both dialects; nothing when none answers. */
export async function whatRuns(client: ControlClient): Promise<RunningNow> {
  const control = client.within(longestMs)
  const {hosts, entities, silent} = await discover(control)
  const v0 = entities.flatMap(({key, instances}) =>
    instances.map(({version, host, count}): Running => ({
      key,
      host,
      count,
      ...(version === undefined ? {} : {version}),
    })),
  )
  const newer = hosts.filter(({dialect}) => dialect === 'v1')
  const answers = await Promise.all(newer.map(({id}) => control.componentIds(id).catch(noneIfSilent)))
  return {
    running: [
      ...v0,
      ...answers.flatMap((ids, index) => (ids ?? []).map((key) => ({key, host: newer[index]!.id, count: 1}))),
    ],
    silent: [...silent, ...newer.filter((_host, index) => answers[index] === undefined).map(({id}) => id)],
  }
}

function noneIfSilent(error: unknown): undefined {
  if (error instanceof LatticeError && error.kind !== 'connection') return undefined
  throw error
}
