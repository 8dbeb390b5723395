import type {ServiceEntity} from '../services/service.js'
import {fields} from './fields.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** A service in a list of entities, a line a version; instances have no host. */
export function serviceRows(service: ServiceEntity): string[][] {
  return versionRows(service).map(([version, count, state]) => [
    service.name,
    'service',
    version,
    count,
    state,
    '',
    service.key,
  ])
}

/** One service: its versions, where each listens, and what keeps it from being routed. */
export function serviceView(entity: ServiceEntity, options: TableOptions): string {
  const {endpoints, notes, declared} = entity.service
  const head = fields([
    ['name', entity.name],
    ['kind', entity.kind],
    ['routed by', entity.endpoints?.map(({source}) => source).join(', ')],
    ['declared', declared?.where],
    ['description', declared?.description],
  ])
  const rows = endpoints.flatMap(({name, source, versions}) =>
    versions.map(({version, subject, queue, instances}) => [
      name,
      source ?? '',
      version,
      subject,
      queue ?? '',
      String(instances),
    ]),
  )
  const versions = versionRows(entity)
  return [
    head,
    versions.length === 0 ? '' : table(['VERSION', 'COUNT', 'STATE'], versions, options),
    rows.length === 0 ? '' : table(['ENDPOINT', 'SOURCE', 'VERSION', 'SUBJECT', 'QUEUE', 'COUNT'], rows, options),
    notes.map(clean).join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

/** Version, instances, and whether callers reach it without a route. */
function versionRows({instances, service}: ServiceEntity): [string, string, string][] {
  const versions = [...new Set(instances.map(({version}) => version))]
  return versions.map((version) => {
    const copies = instances.filter((instance) => instance.version === version)
    const shared = service.implicitSplits.find(({versions: sharing}) =>
      sharing.some((each) => each.version === version),
    )
    const state = shared === undefined ? (copies.every(({dark}) => dark) ? 'dark' : 'live') : ratio(shared)
    const count = copies.reduce((sum, copy) => sum + copy.count, 0)
    return [version ?? '?', String(count), state]
  })
}

function ratio({versions, queue}: ServiceEntity['service']['implicitSplits'][number]): string {
  return queue === undefined ? 'copies' : `shares ${versions.map(({share}) => share).join(':')}`
}
