import type {NatsConnection} from '@nats-io/transport-node'

import {NotFoundError, UsageError} from '../errors.js'
import {requestMany} from '../nats/request.js'
import {withDeclaredSources} from './declared-sources.js'
import {parseGivenSources, serviceEntities} from './entity.js'
import {parseServiceInfo} from './info.js'
import {groupServices, type ServiceEntity} from './service.js'
import type {DeclaredService} from './services-file.js'

/** So long after the latest answer, other instances are taken for absent. */
const stallMs = 300
/** A tap on all subjects keeps the server from saying that nobody answers. */
const firstMs = 1000
/** Whoever may answer may answer without end. */
const mostAnswers = 10_000
const mostBytes = 64 * 1024 * 1024

export interface DiscoverServicesOptions {
  readonly timeoutMs: number
  /** Instances of other lattices are left out; their metadata `lattice` names it, else it is `default`. */
  readonly lattice: string
  /** The only one to ask for; all when undefined. */
  readonly name?: string
  /** Longest wait for the first answer; ends at once where nobody listens. */
  readonly firstMs?: number
  /** What `--source` flags say about one service. */
  readonly sources?: {readonly service: string; readonly texts: readonly string[]}
  readonly inboxPrefix?: string
  /** What a file says of services, and may know better than they do. */
  readonly declared?: readonly DeclaredService[]
}

/** The micro services of a lattice that answer, sorted by name; empty when none does. What makes no sense is left out. */
export async function discoverServices(nc: NatsConnection, options: DiscoverServicesOptions): Promise<ServiceEntity[]> {
  const {timeoutMs, lattice, name, sources, inboxPrefix, declared = []} = options
  let bytes = 0
  const answers = await requestMany(nc, name === undefined ? '$SRV.INFO' : `$SRV.INFO.${name}`, '', {
    timeoutMs,
    stallMs,
    firstMs: Math.min(timeoutMs, options.firstMs ?? firstMs),
    expect: (replies) => {
      bytes += replies.at(-1)?.data.length ?? 0
      return replies.length >= mostAnswers || bytes >= mostBytes
    },
  })
  const instances = answers
    .flatMap((answer) => parseServiceInfo(answer.string()) ?? [])
    .filter((instance) => instance.lattice === lattice && (name === undefined || instance.name === name))
    .map((instance) => withDeclaredSources(instance, declared))
  const services = groupServices(instances)
  const known = {declared, ...(inboxPrefix === undefined ? {} : {inboxPrefix})}
  if (sources === undefined) return serviceEntities(services, known)
  const service = services.find(({name}) => name === sources.service)
  const file = declared.find((one) => one.name === sources.service)
  if (service === undefined && file !== undefined) {
    throw new UsageError(
      `The sources of '${sources.service}' stand in ${file.where}, and were given by --source too.`,
      {
        suggestions: ['Leave out --source, or change the file.'],
        details: {service: sources.service, where: file.where},
      },
    )
  }
  if (service === undefined) {
    throw new NotFoundError(`No service '${sources.service}' answers in lattice '${lattice}'.`, {
      suggestions: ['lattice entity ls'],
      details: {service: sources.service, lattice},
    })
  }
  const given = new Map([[service.name, parseGivenSources(service, sources.texts)]])
  return serviceEntities(groupServices(instances, given), known)
}
