import type {ControlClient} from '../control/client.js'
import type {HostInventory, HostPing} from '../control/dialect.js'
import {AmbiguousError, NotFoundError} from '../errors.js'
import {requireHost} from './find.js'

export interface HostList {
  readonly lattice: string
  readonly hosts: readonly HostPing[]
}

/** The hosts that answer a ping; an empty list is no error. */
export async function listHosts(control: ControlClient): Promise<HostList> {
  return {lattice: control.lattice, hosts: await control.hosts()}
}

/** The inventory of one host, the only one without a name; throws when there is none or several. */
export async function inspectHost(control: ControlClient, wanted: string | undefined): Promise<HostInventory> {
  const hosts = await control.hosts()
  if (wanted !== undefined) return control.inventory(requireHost(wanted, {hosts}, inspectLine).id)
  if (hosts.length === 1) return control.inventory(hosts[0]!.id)
  if (hosts.length === 0) {
    throw new NotFoundError(`No host of lattice '${control.lattice}' answers.`, {
      suggestions: ['lattice up', 'lattice context show'],
    })
  }
  throw new AmbiguousError(`${hosts.length} hosts answer and none was named.`, {
    suggestions: hosts.map(({id}) => inspectLine(id)),
    details: {hosts: hosts.map(({id}) => id)},
  })
}

function inspectLine(id: string): string {
  return `lattice host inspect ${id}`
}
