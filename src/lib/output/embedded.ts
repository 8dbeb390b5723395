import type {DownResult} from '../server/down.js'
import type {EmbeddedEvent} from '../server/embedded-events.js'
import type {StatusResult} from '../server/status.js'
import type {UpPlan, UpResult} from '../server/up.js'
import {fields} from './fields.js'
import {clean} from './text.js'

/** The lattice that is up now, and how to use it and end it. */
export function upView(up: UpResult | UpPlan): string {
  if ('dryRun' in up) return planView(up)
  const named = up.lattice === 'default' ? '' : ` --name ${up.lattice}`
  const rows = fields([
    ['Lattice', `${up.lattice}${up.ephemeral ? ' (ephemeral)' : ''}, ${up.changed ? 'up' : 'was up already'}`],
    ['Server', `${up.url}, nats-server ${up.server.version}, pid ${up.server.pid}`],
    ...up.hosts.map(({id, pid}): [string, string] => ['Host', `${id}, pid ${pid}`]),
    ['Context', up.context],
    ['Data', up.storeFolder],
  ])
  const use =
    up.selectedContext === up.context
      ? []
      : [
          `Selected is '${clean(up.selectedContext)}': add --context ${up.context}, or run lattice context use ${up.context}`,
        ]
  return [rows, ...use, `End it with: lattice down${named}`].join('\n')
}

function planView({lattice, changed, made, port, hosts, context}: UpPlan): string {
  if (!changed) return `Lattice '${lattice}' is up; there is nothing to do.`
  const verb = made ? 'make' : 'bring back'
  const where = port === undefined ? 'a port that the system chooses' : `port ${port}`
  return `Would ${verb} lattice '${lattice}': a server on ${where}, ${count(hosts, 'host')}, context ${context}.`
}

/** What was ended and removed. */
export function downView({lattice, changed, server, hosts, removed, dryRun}: DownResult): string {
  if (dryRun && changed) {
    const kept = removed ? 'remove its keys, data and contexts' : 'keep its keys and data'
    return `Would end lattice '${lattice}' (${count(hosts.length, 'host')}${server === undefined ? '' : ', 1 server'}) and ${kept}.`
  }
  if (!changed) return `Lattice '${lattice}' does not run.`
  const ended = server === undefined && hosts.length === 0 ? 'did not run' : `is down (${count(hosts.length, 'host')})`
  return `Lattice '${lattice}' ${ended}${removed ? '; its keys, data and contexts are removed' : '; its keys and data are kept'}.`
}

/** What an embedded lattice is doing. */
export function statusView(status: StatusResult): string {
  const {lattice, state, server, hosts = []} = status
  if (state === 'absent') {
    return [`There is no embedded lattice '${lattice}'.`, ...othersLine(status)].join('\n')
  }
  return fields([
    ['Lattice', `${lattice}${status.ephemeral === true ? ' (ephemeral)' : ''}`],
    ['State', state],
    ['Server', server === undefined ? undefined : `${status.url ?? 'no port yet'}, ${processText(server)}`],
    ...hosts.map((host): [string, string] => ['Host', `${host.id}, ${processText(host)}`]),
    ['Context', `${status.context ?? ''}${status.selected === true ? ' (selected)' : ''}`],
    ['Folder', status.folder],
    ['Data', status.storeFolder],
    ['Others', status.others.length === 0 ? undefined : status.others.join(', ')],
  ])
}

/** One line for something that happens on the way; several for the end of a log. */
export function embeddedEventView(event: EmbeddedEvent): string {
  switch (event.kind) {
    case 'trying':
      return `Fetching nats-server: ${event.source} …`
    case 'failed':
      return `Not from there: ${clean(event.reason)}`
    case 'fetched':
      return `nats-server ${event.version} is in ${event.path}`
    case 'waiting':
      return `Waiting for process ${event.pid}, which is working on this lattice …`
    case 'log':
      return [`The last lines of ${event.file}:`, ...event.lines.map((line) => `  | ${clean(line)}`)].join('\n')
    case 'killed':
      return `${event.what} (pid ${event.pid}) did not end in time and was killed.`
    case 'server-ready':
      return `nats-server ${event.version} answers on ${event.url}.`
    case 'host-ready':
      return `Host ${event.id} answers.`
  }
}

function processText({running, answers, pid}: {running: boolean; answers: boolean; pid?: number}): string {
  if (!running) return 'not running'
  return `pid ${pid ?? '?'}${answers ? '' : ', does not answer'}`
}

function othersLine({others}: StatusResult): string[] {
  return others.length === 0 ? [] : [`Others: ${others.join(', ')}`]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
