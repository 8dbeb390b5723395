import type {HostInventory} from '../control/dialect.js'
import type {HostList} from '../entities/hosts.js'
import {fields} from './fields.js'
import {table, type TableOptions} from './table.js'
import {formatDuration} from './time.js'

/** Hosts, a line each. */
export function hostsView({hosts}: HostList, options: TableOptions): string {
  if (hosts.length === 0) return ''
  return table(
    ['ID', 'NAME', 'VERSION', 'DIALECT', 'UPTIME'],
    hosts.map(({id, name, version, dialect, uptimeSeconds}) => [
      id,
      name,
      version,
      dialect,
      options.terminal ? formatDuration(uptimeSeconds * 1000) : String(uptimeSeconds),
    ]),
    options,
  )
}

/** One host and what runs on it. */
export function hostView({host, actors, providers}: HostInventory, options: TableOptions): string {
  const rows = [
    ...actors.flatMap(({key, name, instances}) =>
      instances.map(({version, count, workers, dark, imageRef}) => [
        name ?? key,
        'actor',
        version ?? '?',
        String(count),
        workers === undefined ? '' : String(workers),
        dark ? 'dark' : 'live',
        imageRef ?? '',
      ]),
    ),
    ...providers.map(({key, name, link, version, dark, imageRef}) => [
      `${name ?? key}/${link}`,
      'provider',
      version ?? '?',
      '',
      '',
      dark ? 'dark' : 'live',
      imageRef ?? '',
    ]),
  ]
  const links = providers.flatMap(({links = []}) =>
    links.map(({actor, address, error}): [string, string] => [
      'link',
      `${actor} ${error === undefined ? `listens on ${address ?? '?'}` : `is not served: ${error}`}`,
    ]),
  )
  const head = fields([
    ['id', host.id],
    ['name', host.name],
    [
      'labels',
      Object.entries(host.labels)
        .map(([label, value]) => `${label}=${value}`)
        .join(', '),
    ],
    ...links,
  ])
  return `${head}\n\n${table(['NAME', 'KIND', 'VERSION', 'COUNT', 'WORKERS', 'STATE', 'ARTIFACT'], rows, options)}`
}
