import type {CallResult} from '../entities/call.js'
import type {ScaleResult} from '../entities/scale.js'
import type {StartResult} from '../entities/start.js'
import type {Entity} from '../entity/entity.js'
import type {ServiceEntity} from '../services/service.js'
import {fields} from './fields.js'
import {serviceRows, serviceView} from './service.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** Every entity with its versions, a line each. */
export function entitiesView(entities: readonly (Entity | ServiceEntity)[], options: TableOptions): string {
  const rows = entities.flatMap((entity) =>
    'service' in entity
      ? serviceRows(entity)
      : entity.instances.map(({version, host, count, dark}) => [
          entityLabel(entity),
          entity.kind,
          version ?? '?',
          String(count),
          dark ? 'dark' : 'live',
          options.terminal ? shortKey(host) : host,
          options.terminal ? shortKey(entity.key) : entity.key,
        ]),
  )
  if (rows.length === 0) return ''
  return table(['NAME', 'KIND', 'VERSION', 'COUNT', 'STATE', 'HOST', 'KEY'], rows, options)
}

/** One entity and where its versions run, or listen. */
export function entityView(entity: Entity | ServiceEntity, options: TableOptions): string {
  if ('service' in entity) return serviceView(entity, options)
  const instances = table(
    ['VERSION', 'COUNT', 'STATE', 'HOST', 'ARTIFACT'],
    entity.instances.map(({version, count, dark, host, imageRef}) => [
      version ?? '?',
      String(count),
      dark ? 'dark' : 'live',
      host,
      imageRef ?? '',
    ]),
    options,
  )
  const head = fields([
    ['name', entity.name],
    ['kind', entity.kind],
    ['key', entity.key],
    ['call alias', entity.callAlias === '' ? undefined : entity.callAlias],
    ['link', entity.link],
    ['contract', entity.contract],
  ])
  return `${head}\n\n${instances}`
}

/** What a start did, in a line, and how to take it back; `line` makes a line fit to be pasted. */
export function startView(result: StartResult, line = (text: string): string => text): string {
  const {entity, version, host, count, dark, changed, dryRun, ref, undo} = result
  const what = clean(`${entity}${version === undefined ? '' : `@${version}`}`)
  const state = dark ? 'dark (no traffic until a route gives it weight)' : 'live'
  const how = `on host ${shortKey(host)} in ${place(result)}${count === undefined ? '' : `, count ${count}`}`
  if (dryRun) return `Would start ${clean(ref)} as ${what} ${how}, ${state}.`
  if (!changed) return `${what} runs already ${how}.`
  return `Started ${what} ${how}, ${state}.${undo === undefined ? '' : `\nUndo: ${clean(line(undo))}`}`
}

/** What a stop or a scale did, a line a host, and how to take it back. */
export function scaleView(result: ScaleResult, line = (text: string): string => text): string {
  const {entity, changes, changed, dryRun, undo} = result
  if (!changed) {
    return changes.length === 0
      ? `${clean(entity)} does not run in ${place(result)}.`
      : `Nothing to change in ${place(result)}.`
  }
  const lines = changes.map(({version, host, from, to}) => {
    const what = clean(`${entity}${version === undefined ? '' : `@${version}`}`)
    const verb = to === 0 ? (dryRun ? 'Would stop' : 'Stopped') : dryRun ? 'Would scale' : 'Scaled'
    const span = to === 0 ? `(count was ${from})` : from === to ? `(count stays ${to})` : `from ${from} to ${to}`
    return `${verb} ${what} on host ${shortKey(host)} in ${place(result)} ${span}`
  })
  return [...lines, ...(dryRun ? [] : undo.map((text) => `Undo: ${clean(line(text))}`))].join('\n')
}

function place({lattice, context}: {readonly lattice: string; readonly context?: string}): string {
  return `lattice '${lattice}'${context === undefined ? '' : ` (context '${clean(context)}')`}`
}

/** The answer of a call: text as it is, data as JSON. */
export function callView({result}: CallResult): string {
  if (typeof result === 'string') return result.split('\n').map(clean).join('\n')
  return JSON.stringify(result, undefined, 2)
}

function entityLabel({name, link}: Entity): string {
  return link === undefined || link === 'default' ? name : `${name}/${link}`
}

function shortKey(key: string): string {
  return key.length > 12 ? `${key.slice(0, 8)}…` : key
}
