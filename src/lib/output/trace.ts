import type {TraceEvent, TraceHop} from '../observe/trace-events.js'
import type {Fate, TracedSubscriber} from '../observe/traced.js'
import type {TracedEndpoint, TracedRoute} from '../routes/proof/trace.js'
import {intervalText, oneDecimal} from './observed.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

type Destination = TracedEndpoint['destinations'][number]

/** Where messages would go, a table a subject, and for a person the whole way of one of them. */
export function tracedRouteView({traces}: TracedRoute, options: TableOptions): string {
  if (!options.terminal) return traces.map((trace) => destinationTable(trace, options)).join('\n')
  return traces
    .map((trace) =>
      [headline(trace), destinationTable(trace, options), '', 'The way of one:', ...path(trace)].join('\n'),
    )
    .join('\n\n')
}

function headline({subject, server, probes, answered, incomplete}: TracedEndpoint): string {
  const cluster = server.cluster === undefined ? '' : ` in cluster '${server.cluster}'`
  const lost = answered < probes ? `, ${probes - answered} of them without an answer` : ''
  const cut = incomplete > 0 ? `, of ${incomplete} not the whole way` : ''
  return clean(`'${subject}' from server '${server.name}'${cluster}, ${probes} probes${lost}${cut}`)
}

function destinationTable({destinations, subject}: TracedEndpoint, options: TableOptions): string {
  const columns = ['VERSION', 'SHARE', '95 %', 'PROBES', 'FATE', 'BY', 'TO']
  const rows = destinations.map((destination) => [
    versionText(destination),
    `${oneDecimal(destination.share)} %`,
    intervalText(destination),
    String(destination.probes),
    options.terminal ? fateText(destination) : destination.fate,
    destination.subscribers.map((one) => subscriberText(one, subject)).join(', '),
    destination.subject,
  ])
  if (!options.terminal)
    return table(
      ['SUBJECT', ...columns],
      rows.map((row) => [subject, ...row]),
      options,
    )
  const known = destinations.some(({version}) => version !== undefined)
  return known
    ? table(columns, rows, options)
    : table(
        columns.slice(1),
        rows.map((row) => row.slice(1)),
        options,
      )
}

function versionText({version, sink}: Destination): string {
  return version === undefined ? '' : sink === true ? `${version} (dropped)` : version
}

const fates: Readonly<Record<Fate, string>> = {
  delivered: 'delivered',
  watched: 'heard by wildcard subscribers only, who rarely answer',
  stored: 'stored in a stream',
  nobody: 'nobody listens: 503',
  dropped: 'dropped by the mapping: 503',
  forbidden: 'forbidden',
  imported: 'goes to another account whose export does not allow tracing; somebody may well listen',
  untraced: 'not known: a server on the way does not trace',
}

function fateText({fate, error}: Destination): string {
  return error === undefined ? fates[fate] : `${fates[fate]}: ${error}`
}

/** A queue group that is named like the subject goes without saying. */
function subscriberText({server, client, queue}: TracedSubscriber, subject: string): string {
  const name = client === '' ? 'a client' : client
  return `${name} at ${server}${queue === undefined || queue === subject ? '' : ` (queue ${queue})`}`
}

function path({path: hops}: TracedEndpoint): string[] {
  return hops.flatMap(({server, events}: TraceHop) => [
    clean(`  ${server.name}${server.cluster === undefined ? '' : ` (${server.cluster})`}`),
    ...events.map((event) => clean(`    ${eventText(event)}`)),
  ])
}

function eventText(event: TraceEvent): string {
  switch (event.type) {
    case 'in': {
      const refused = event.error === undefined ? '' : `, refused: ${event.error}`
      return `in from ${event.from} '${event.name}' as '${event.subject}'${refused}`
    }
    case 'mapped':
      return event.to === '' ? 'dropped by the mapping' : `mapped to '${event.to}'`
    case 'imported':
      return `imported by account '${event.account}' as '${event.to}'`
    case 'out': {
      const group = event.queue === undefined ? '' : `, queue '${event.queue}'`
      const listener = event.subscription === undefined ? '' : ` on '${event.subscription}'${group}`
      return `out to ${event.to} '${event.name}'${listener}${event.error === undefined ? '' : `: ${event.error}`}`
    }
    case 'stored':
      return `stored in stream '${event.stream}'${event.error === undefined ? '' : `: ${event.error}`}`
    case 'other':
      return event.name
  }
}
