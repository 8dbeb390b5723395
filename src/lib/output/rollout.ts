import type {RolloutEvent} from '../apply/config-map-wait.js'
import {clean} from './text.js'

/** How far a table on its way to the servers is, on a line. */
export function rolloutLine(event: RolloutEvent): string {
  switch (event.kind) {
    case 'applying':
      return `Applying ConfigMap ${clean(event.configMap)}.`
    case 'printed':
      return `  ${clean(event.line)}`
    case 'waiting':
      return `Waiting up to ${seconds(event.withinMs)} for ${event.servers === 1 ? 'the server' : `all ${event.servers} servers`} to load it.`
    case 'progress':
      return progressLine(event)
  }
}

function progressLine({live, left, elapsedMs}: RolloutEvent & {readonly kind: 'progress'}): string {
  const count = `${live.length}/${live.length + left.length}`
  const after = `after ${seconds(elapsedMs)}`
  if (left.length === 0) return `${count} servers have the new mappings ${after}.`
  const missing = `not yet: ${left.map(clean).join(', ')}`
  if (live.length === 0) return `${count} servers have the new mappings ${after} (${missing}).`
  return `${count} servers have the new mappings ${after} (${missing}); until all do, callers at different servers are split differently.`
}

function seconds(ms: number): string {
  return `${ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1000)} s`
}
