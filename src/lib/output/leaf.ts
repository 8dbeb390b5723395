import type {LeafStarted} from '../leaf-server/detach.js'
import type {ListedLeaf} from '../leaf-server/list.js'
import type {LeafReport} from '../leaf-server/report.js'
import type {LeafPlan} from '../leaf-server/run.js'
import type {LeafStopped} from '../leaf-server/stop.js'
import {fields} from './fields.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** What a running leaf node tells, as one line. */
export function leafReportLine(report: LeafReport): string {
  return clean(lineOf(report))
}

function lineOf(report: LeafReport): string {
  switch (report.kind) {
    case 'ready':
      return readyLine(report)
    case 'note':
      return report.message
    case 'warning':
      return `Warning: ${report.message}`
    case 'changed':
      return `changed: ${report.sources.join(', ')} by ${report.by}`
    case 'change-refused':
      return `change refused${report.by === undefined ? '' : ` of ${report.by}`}: ${report.message}`
    case 'problem':
      return `problem ${report.problem}: ${report.sentence}`
    case 'solved':
      return `solved ${report.problem}, which was: ${report.sentence}`
    case 'draining':
      return `draining: ${report.reason}`
    case 'stopped':
      return `stopped: leaf node ${report.id}`
  }
}

function readyLine({name, id, lattice, form, url, remotes, accepts}: Extract<LeafReport, {kind: 'ready'}>): string {
  const alone = form === 'beside' ? '' : '; while it is away, calls of what it splits get no answer'
  const who = `leaf node '${name}' (${id}) of lattice '${lattice}'`
  return `ready: ${who}: callers connect to ${url}; connected to ${remotes.join(', ')}; changed by ${accepts.join(', ')}${alone}`
}

/** A leaf node that runs in the background, and how to use it and end it. */
export function leafStartedView({
  name,
  id,
  lattice,
  form,
  sources,
  url,
  pid,
  server,
  remotes,
  accepts,
}: LeafStarted): string {
  const named = name === 'default' ? '' : ` --name ${name}`
  const rows = fields([
    ['Leaf node', `${name} (${id}) of lattice '${lattice}'`],
    ['Form', formText(form)],
    ['Sources', sources.length === 0 ? 'whatever it is told' : sources.join(', ')],
    ['Callers', form === 'beside' ? `connect to ${url}` : `as before, and those that connect to ${url}`],
    ['Connected to', remotes.join(', ')],
    ['Server', `nats-server ${server.version}, agent pid ${pid}`],
    ['Changed by', accepts.join(', ')],
  ])
  const alone = form === 'beside' ? [] : ['While it is away, calls of what it splits get no answer.']
  return [rows, ...alone, `End it with: lattice leaf stop${named}`].join('\n')
}

/** What `leaf run` would do. */
export function leafPlanView({name, lattice, form, sources, listen, remotes, mappings}: LeafPlan): string {
  const splits = Object.keys(mappings)
  return fields([
    ['Would run', `leaf node '${name}' of lattice '${lattice}'`],
    ['Form', formText(form)],
    ['Sources', sources.length === 0 ? 'whatever it is told' : sources.join(', ')],
    ['Callers', `connect to ${listen.host}:${listen.port === 0 ? 'any port' : listen.port}`],
    ['Connects to', remotes.join(', ')],
    ['Splits', splits.length === 0 ? 'nothing yet' : splits.join(', ')],
  ])
}

/** Leaf nodes, a line each. */
export function leavesView(leaves: readonly ListedLeaf[], options: TableOptions): string {
  const rows = leaves.map((leaf) => [
    leaf.name,
    leaf.id,
    leaf.form,
    leaf.sources.join(' '),
    stateText(leaf),
    leaf.url ?? '',
    Object.keys(leaf.mappings ?? {}).join(' '),
    leaf.problems.map(({sentence}) => sentence).join(' '),
  ])
  return table(['NAME', 'ID', 'FORM', 'SOURCES', 'STATE', 'URL', 'SPLITS', 'PROBLEMS'], rows, options)
}

function stateText({state, connected}: ListedLeaf): string {
  if (state === 'silent') return 'does not answer'
  if (state === 'stopped') return 'stopped'
  return connected ? 'connected' : 'not connected'
}

/** What was ended, and who notices. */
export function leafStoppedView({name, form, url, changed, dryRun, mapped}: LeafStopped): string {
  if (!changed) return `Leaf node '${name}' does not run.`
  const verb = dryRun ? 'Would end' : 'Ended'
  const who = form === 'beside' || mapped.length === 0 ? [] : [`Calls of ${mapped.join(', ')} get no answer now.`]
  const callers = url === null ? [] : [`Callers that are connected to ${url} lose their connection.`]
  const kept =
    form !== 'beside' || mapped.length === 0 ? [] : [`It splits ${mapped.join(', ')} again from its next start on.`]
  return [`${verb} leaf node '${name}'.`, ...callers, ...who, ...kept].join('\n')
}

function formText(form: LeafPlan['form']): string {
  return form === 'beside'
    ? 'beside its callers: callers elsewhere are as before'
    : 'account-wide: for all callers of the account, by this leaf node alone'
}
