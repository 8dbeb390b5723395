import type {ObservedLeg, ObservedSplit} from '../observe/split.js'
import type {RouteView} from '../routes/proof/view.js'
import type {RouteTick} from '../routes/proof/watch.js'
import {fields} from './fields.js'
import {serverStates} from './route.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** `1.0.0 69.8 % (67.1 to 72.4)`, a leg each. */
function formatObserved({legs, messages}: ObservedSplit): string {
  if (messages === 0) return 'no messages'
  return legs.map((leg) => `${nameOf(leg)} ${oneDecimal(leg.share)} % (${intervalText(leg)})`).join(', ')
}

/** How much was measured and what it says. */
function formatMeasured({messages, windowMs, ratePerSecond, servers, agrees, legs}: ObservedSplit): string {
  const asked = legs.some((leg) => leg.asked !== undefined)
  const verdict = messages === 0 || !asked ? '' : agrees ? ', as asked' : ', not as asked'
  const where = servers.length === 0 ? '' : ` on ${servers.join(', ')}`
  return `${messages} messages in ${seconds(windowMs)}, ${rateText(ratePerSecond)}${where}${verdict}`
}

/** What the versions really got: a table for a person, else a few labelled lines. */
export function observedView({observed, unobserved}: RouteView, {terminal}: TableOptions): string {
  if (observed === undefined)
    return unobserved === undefined ? '' : fields([['observed', `not counted: ${unobserved}`]])
  const gaps = observed.gaps.map((gap) => ['note', gap] as const)
  if (terminal)
    return [observedTable(observed), clean(formatMeasured(observed)), ...observed.gaps.map(clean)].join('\n')
  return fields([['observed', formatObserved(observed)], ['measured', formatMeasured(observed)], ...gaps])
}

/** A route as it is now: a bar a version, the servers, and what is missing; redrawn in place. */
export function routeTickView(tick: RouteTick): string {
  const {entity, lattice, time, observed, unobserved, effective, stable, waitingFor} = tick
  const servers = effective.visible ? serverStates(effective) : effective.reason
  const lines = [
    `${clean(entity)} in lattice '${lattice}' at ${time}`,
    ...(observed === undefined ? [] : [observedTable(observed)]),
    `Servers: ${clean(servers)}`,
    ...(observed === undefined ? [] : [`Measured: ${clean(formatMeasured(observed))}`]),
    ...(observed?.gaps ?? []).map(clean),
    unobserved === undefined ? undefined : `Not measured: ${clean(unobserved)}`,
    stable ? 'Stable.' : waitingFor === undefined ? undefined : `Not stable: ${clean(waitingFor)}.`,
  ]
  return lines.filter((line) => line !== undefined).join('\n')
}

function observedTable({legs}: ObservedSplit): string {
  return table(
    ['VERSION', 'ASKED', 'OBSERVED', '', '95 %', 'MESSAGES/S', 'LISTENERS'],
    legs.map((leg) => [
      nameOf(leg),
      leg.asked === undefined ? '' : `${oneDecimal(leg.asked)} %`,
      bar(leg.share),
      `${oneDecimal(leg.share)} %${leg.agrees === false ? ' !' : ''}`,
      intervalText(leg),
      String(leg.ratePerSecond),
      String(leg.listeners),
    ]),
    {terminal: true},
  )
}

const barWidth = 25

/** A share of a hundred as a bar of fixed width. */
export function bar(share: number): string {
  const filled = Math.round((Math.min(100, Math.max(0, share)) / 100) * barWidth)
  return '#'.repeat(filled) + '.'.repeat(barWidth - filled)
}

/** `67.1 to 72.4`. */
export function intervalText({interval: [low, high]}: {readonly interval: readonly [number, number]}): string {
  return `${oneDecimal(low)} to ${oneDecimal(high)}`
}

/** With one decimal, where it is not a whole number. */
export function oneDecimal(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function nameOf({version}: ObservedLeg): string {
  return version ?? '(source)'
}

function rateText(perSecond: number): string {
  return `${perSecond}/s`
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}
