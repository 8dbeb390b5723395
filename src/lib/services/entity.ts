import type {ListedEndpoint} from '../entity/entity.js'
import {UnsafeError, UsageError} from '../errors.js'
import {covers, subjectsOverlap} from '../routing/subject.js'
import {collapseEndpoints} from './collapse.js'
import {unansweredSources} from './declared-sources.js'
import {asAddress, isIncumbent, sourceFault} from './mapping.js'
import {
  implicitSplits,
  type GivenSources,
  type ImplicitSplit,
  type Service,
  type ServiceEndpoint,
  type ServiceEntity,
} from './service.js'
import type {DeclaredService} from './services-file.js'

export interface EntityOptions {
  /** All services that answer; a wildcard source must not catch what they use. */
  readonly all: readonly {readonly name: string; readonly service: Pick<Service, 'endpoints'>}[]
  /** Subjects that the account listens on: a wildcard source must not take messages away. Undefined: nobody can tell. */
  readonly heard: readonly string[] | undefined
  /** Sources of the route that is recorded. */
  readonly recorded?: readonly string[]
  readonly inboxPrefix?: string
}

/** Services as entities, each with the mappings that route all its endpoints. */
export function serviceEntities(
  services: readonly Service[],
  {
    declared = [],
    ...options
  }: Pick<EntityOptions, 'inboxPrefix'> & {readonly declared?: readonly DeclaredService[]} = {},
): ServiceEntity[] {
  const all = services.map((service) => ({name: service.name, service}))
  return services.map((service) => {
    const {name, endpoints} = service
    const listed = listEndpoints(endpoints, undefined)
    return {
      kind: 'service',
      key: name,
      name,
      // Who looks at services sees one wildcard where it fits; who routes them looks at who listens first.
      endpoints: collapseEndpoints(listed, {...options, heard: [], others: othersOf(name, listed, all)}),
      instances: service.instances.map(({id, version, endpoints: own}) => ({
        ...(version === undefined ? {} : {version}),
        host: id,
        count: 1,
        dark: own.length > 0 && own.every(({name: endpoint, subject}) => isBehind(endpoints, endpoint, subject)),
      })),
      service: describe(service, unansweredSources(service, declared)),
    }
  })
}

function describe({name, endpoints, instances}: Service, unanswered: readonly string[]): ServiceEntity['service'] {
  const splits = implicitSplits({endpoints})
  return {
    endpoints,
    implicitSplits: splits,
    notes: [
      ...splits.map((split) => new SharedSubjectError(name, split).message),
      ...endpoints.flatMap((endpoint) => [...withoutSource(endpoint), ...faultsOf(endpoint)]),
      ...unanswered,
    ],
    ...(unanswered.length === 0 ? {} : {unanswered}),
    unread: instances.reduce((sum, {unread}) => sum + unread, 0),
  }
}

function faultsOf({name, faults}: ServiceEndpoint): string[] {
  return faults.map((fault) => `Endpoint '${name}': ${fault}`)
}

/** Contradicting sources are a fault of their own. */
function withoutSource({name, source, faults}: ServiceEndpoint): string[] {
  if (source !== undefined || faults.length > 0) return []
  return [
    `Endpoint '${name}' does not name the subject that its callers use: write metadata: {'lattice.source': 'SUBJECT'} there, or --source ${name}=SUBJECT.`,
  ]
}

/** The service with its endpoints in the form that its recorded route has: one wildcard, or a source each. */
export function alignService(entity: ServiceEntity, options: EntityOptions): ServiceEntity {
  const listed = listEndpoints(entity.service.endpoints, undefined)
  return {
    ...entity,
    endpoints: collapseEndpoints(listed, {...options, others: othersOf(entity.name, listed, options.all)}),
  }
}

/** What of a service a split over some of its versions changes; throws when it cannot be split so. */
export interface RoutableService {
  readonly entity: ServiceEntity
  /** Endpoints that stay as they are, and why, a sentence each. */
  readonly warnings: readonly string[]
}

/**
 * The service with the endpoints that all of the versions have, and what is left out. Throws an UnsafeError where versions
 * share a subject or its endpoints contradict each other, and a UsageError where no source is known.
 */
export function requireRoutable(
  entity: ServiceEntity,
  versions: readonly string[],
  options: EntityOptions,
): RoutableService {
  const {endpoints} = entity.service
  for (const split of implicitSplits({endpoints})) {
    if (split.versions.some(({version}) => versions.includes(version))) throw new SharedSubjectError(entity.name, split)
  }
  const faults = endpoints.flatMap(faultsOf)
  if (faults.length > 0) {
    throw new UnsafeError(`The endpoints of '${entity.name}' cannot be routed as they are.`, {
      suggestions: faults,
      details: {service: entity.name, faults},
    })
  }
  const listed = listEndpoints(endpoints, versions)
  if (listed.length === 0) {
    const answering = new Set<string>(endpoints.flatMap((endpoint) => endpoint.versions.map(({version}) => version)))
    const silent = versions.filter((version) => !answering.has(version))
    if (silent.length > 0) throw new SilentVersionsError(entity.name, silent)
    throw new NoSourceError(entity.name, endpoints)
  }
  const routed = collapseEndpoints(listed, {...options, others: othersOf(entity.name, listed, options.all)})
  return {
    entity: {...entity, endpoints: routed},
    warnings: [
      ...endpoints.flatMap((endpoint) => leftOut(endpoint, versions, routed)),
      ...(entity.service.unanswered ?? []),
    ],
  }
}

/** Two versions answer on one subject, so that no mapping can tell them apart. */
export class SharedSubjectError extends UnsafeError {
  constructor(service: string, {endpoint, subject, queue, versions}: ImplicitSplit) {
    const names = versions.map(({version}) => version)
    const ratio = versions.map(({share}) => share).join(':')
    const last = names[names.length - 1]!
    const [first, ...rest] = subject.split('.')
    const own = [first, `v${last.split('.')[0]!}`, ...rest].join('.')
    super(
      queue === undefined
        ? `Versions ${names.join(' and ')} of '${service}' all answer every request on '${subject}', having no queue group.`
        : `Versions ${names.join(' and ')} of '${service}' share '${subject}' and its queue group '${queue}': an implicit split by subscriptions, ${ratio}.`,
      {
        suggestions: [
          `Give version ${last} a subject of its own, and name the one that callers use:`,
          ...codeLines(endpoint, own, subject),
        ],
        details: {service, endpoint, subject, versions, ...(queue === undefined ? {} : {queue})},
      },
    )
  }
}

/** No instance of these versions answers. */
export class SilentVersionsError extends UnsafeError {
  constructor(service: string, versions: readonly string[]) {
    super(`Nobody runs ${versions.map((version) => `'${service}@${version}'`).join(' or ')}.`, {
      suggestions: [`lattice entity inspect ${service}`],
      details: {service, versions},
    })
  }
}

/** No endpoint of a service says which subject its callers use. */
export class NoSourceError extends UsageError {
  constructor(service: string, endpoints: readonly ServiceEndpoint[]) {
    const [first] = endpoints
    super(`No endpoint of '${service}' names the subject that its callers use.`, {
      suggestions:
        first === undefined
          ? [`lattice entity inspect ${service}`]
          : [
              `--source ${first.name}=SUBJECT`,
              `or in the service: metadata: {'lattice.source': 'SUBJECT'} at its endpoint '${first.name}'`,
            ],
      details: {service, endpoints: endpoints.map(({name}) => name)},
    })
  }
}

/** Reads `--source` flags for a service: `get=orders.get`, or a subject alone where there is one endpoint. */
export function parseGivenSources({name, endpoints}: Service, texts: readonly string[]): GivenSources {
  const given = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const endpoint = at < 0 && endpoints.length === 1 ? endpoints[0]!.name : text.slice(0, Math.max(at, 0))
    const source = text.slice(at + 1)
    if (!endpoints.some((each) => each.name === endpoint)) {
      throw new UsageError(
        at < 0
          ? `'${name}' has ${endpoints.length} endpoints, and ${JSON.stringify(text)} does not say of which it is the source.`
          : `'${name}' has no endpoint ${JSON.stringify(endpoint)}.`,
        {suggestions: endpoints.map((each) => `--source ${each.name}=${at < 0 ? text : source}`)},
      )
    }
    const fault = sourceFault(source)
    if (fault !== undefined) throw new UsageError(`${JSON.stringify(source)} cannot be a source: ${fault}.`)
    if (given.has(endpoint)) throw new UsageError(`The endpoint '${endpoint}' was given more than one source.`)
    given.set(endpoint, source)
  }
  return given
}

/** The lines of a service that make one endpoint of it a version that can be routed. */
function codeLines(endpoint: string, subject: string, source: string): string[] {
  return [
    `service.addEndpoint('${endpoint}', {subject: '${subject}',`,
    `  metadata: {'lattice.source': '${source}'}, handler})`,
  ]
}

/** The endpoints that are free of faults and have a source; only those that all of the versions have. */
function listEndpoints(endpoints: readonly ServiceEndpoint[], wanted: readonly string[] | undefined): ListedEndpoint[] {
  return endpoints.flatMap(({source, versions, faults}) => {
    if (source === undefined || faults.length > 0) return []
    const kept = versions.filter(({version}) => wanted?.includes(version) ?? true)
    if (wanted?.some((version) => !kept.some((each) => each.version === version))) return []
    const queues = new Set(kept.map(({queue}) => queue))
    const [queue] = queues
    return [
      {
        source,
        addresses: Object.fromEntries(
          kept.map(({version, subject}) => {
            const address = asAddress(subject)
            return [version, isIncumbent(source, address) ? source : address]
          }),
        ),
        ...(queues.size === 1 && queue !== undefined ? {queue} : {}),
      },
    ]
  })
}

/** Subjects that one wildcard for the listed endpoints must leave alone. */
function othersOf(name: string, listed: readonly ListedEndpoint[], all: EntityOptions['all']): string[] {
  const sources = new Set(listed.map(({source}) => source))
  return all.flatMap(({name: other, service}) =>
    service.endpoints.flatMap(({source, versions}) => {
      const subjects = versions.map(({subject}) => subject)
      if (other !== name) return [...(source === undefined ? [] : [source]), ...subjects]
      // Nobody loses anything where none listens on the source of its own endpoints.
      return source !== undefined && sources.has(source) ? [] : subjects
    }),
  )
}

function isBehind(endpoints: readonly ServiceEndpoint[], name: string, subject: string): boolean {
  return endpoints.some(
    (endpoint) =>
      endpoint.name === name &&
      endpoint.source !== undefined &&
      !subjectsOverlap(endpoint.source, subject) &&
      endpoint.versions.some((each) => each.subject === subject),
  )
}

function leftOut(
  {name, source, versions}: ServiceEndpoint,
  wanted: readonly string[],
  routed: readonly ListedEndpoint[],
): string[] {
  const having = versions.filter(({version}) => wanted.includes(version))
  if (having.length === 0) return []
  if (source === undefined) return [`Endpoint '${name}' names no source and stays as it is.`]
  const missing = wanted.find((version) => !having.some((each) => each.version === version))
  if (missing === undefined) return []
  const along = routed.find((each) => covers(each.source, source))
  return [
    along === undefined
      ? `Endpoint '${name}' stays as it is: version ${missing} does not have it.`
      : `Endpoint '${name}' is routed along by '${along.source}': the share of version ${missing}, which does not have it, fails.`,
  ]
}
