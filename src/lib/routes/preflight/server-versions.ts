import type {TableView} from '../../apply/driver.js'
import {compareVersions} from '../../entity/version.js'

/** The lowest version of the servers that answered; undefined where none did. */
export function lowestVersion({servers}: Pick<TableView, 'servers'>): string | undefined {
  return servers.map(({server}) => server.version).sort(compareVersions)[0]
}
