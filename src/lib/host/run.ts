import type {ConnectSpec} from '../nats/spec.js'
import {Host} from './host.js'
import type {Report} from './report.js'
import {readHostOptions, type HostSettings} from './settings.js'

/** What became of a host that ran. */
export interface HostRan {
  readonly host: string
  readonly name: string
  readonly lattice: string
}

/** Runs a host until the signal aborts or somebody asks it to stop; throws when it cannot start. */
export async function runHost(
  spec: ConnectSpec,
  settings: HostSettings,
  {signal, report}: {signal: AbortSignal; report: Report},
): Promise<HostRan> {
  const options = await readHostOptions(spec, settings)
  if (options.allowedIssuers.length === 0) {
    const message = 'Modules of any issuer run here, and anyone can make an issuer; --allowed-issuer restricts it.'
    report({kind: 'warning', message})
  }
  await using host = await Host.open({...options, report})
  await host.run({signal})
  return {host: host.id, name: host.name, lattice: spec.lattice}
}
