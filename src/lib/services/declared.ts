import type {Instance, ListedEndpoint} from '../entity/entity.js'
import {compareVersions, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {covers} from '../routing/subject.js'
import type {ServiceEndpoint, ServiceEntity, VersionEndpoint} from './service.js'
import type {DeclaredService, DeclaredSource} from './services-file.js'
import {addressAt, templatePattern, versionAt, versionFault} from './template.js'

/** One subscription of the account. */
export interface Listener {
  readonly subject: string
  readonly queue?: string
}

/** A declared service with what is seen of it; undefined listeners where nobody may look. */
export function declaredEntity(declared: DeclaredService, listeners: readonly Listener[] | undefined): ServiceEntity {
  const {name, sources, incumbent, where, description} = declared
  const endpoints = sources.map((source) => seenEndpoint(declared, source, listeners ?? []))
  const versions = new Set<Version>(endpoints.flatMap((endpoint) => endpoint.versions.map(({version}) => version)))
  if (incumbent !== undefined) versions.add(incumbent)
  const sorted = [...versions].sort(compareVersions)
  return {
    kind: 'service',
    key: name,
    name,
    endpoints: declaredEndpoints(declared, sorted),
    instances: sorted.map((version): Instance => ({
      version,
      host: '',
      count: Math.max(...endpoints.map((endpoint) => copiesOf(endpoint, version))),
      dark: version !== incumbent,
    })),
    service: {
      endpoints,
      implicitSplits: [],
      notes: [
        ...(listeners === undefined ? ['Who listens is not visible here, so versions have to be named.'] : []),
        ...sources.flatMap((source) => unknownListeners(declared, source, listeners ?? [])),
      ],
      unread: 0,
      declared: {where, ...(description === undefined ? {} : {description})},
    },
  }
}

/** Where these versions of a declared service listen, a source each. Throws a UsageError for what cannot be told apart. */
export function declaredEndpoints(
  {name, sources, incumbent, queue}: DeclaredService,
  versions: readonly Version[],
): ListedEndpoint[] {
  return sources.map((declared) => {
    const {source, template, where} = declared
    const addresses = new Map<string, string>()
    for (const version of new Set(versions)) {
      const address = version === incumbent ? source : addressAt(template, version)
      const fault = version === incumbent ? undefined : versionFault(source, template, version)
      if (fault !== undefined) {
        throw new UsageError(
          `Version '${version}' of '${name}' has no address by '${template.text}' (${where}): ${fault}.`,
        )
      }
      const twin = [...addresses].find(([, other]) => other === address)
      if (twin !== undefined) {
        throw new UsageError(
          `The versions '${twin[0]}' and '${version}' of '${name}' have one address, '${address}', by '${template.text}' (${where}).`,
          {
            suggestions: [`${source}: ${template.text.replace('{v:dash}', '{v}')}`],
            details: {service: name, versions: [twin[0], version], address},
          },
        )
      }
      addresses.set(version, address)
    }
    return {source, addresses: Object.fromEntries(addresses), ...(queue === undefined ? {} : {queue})}
  })
}

function seenEndpoint(
  {incumbent, queue: group}: DeclaredService,
  {source, template}: DeclaredSource,
  listeners: readonly Listener[],
): ServiceEndpoint {
  const seen = listeners.flatMap(({subject, queue}): VersionEndpoint[] => {
    if (group !== undefined && queue !== undefined && queue !== group) return []
    const version = covers(source, subject) ? incumbent : versionAt(template, subject)
    if (version === undefined || (version === incumbent) !== covers(source, subject)) return []
    if (version !== incumbent && versionFault(source, template, version) !== undefined) return []
    return [{version, subject, ...(queue === undefined ? {} : {queue}), instances: 1}]
  })
  const versions = [...Map.groupBy(seen, ({version, subject, queue}) => JSON.stringify([version, subject, queue]))]
    .map(([, [first, ...rest]]): VersionEndpoint => ({...first!, instances: rest.length + 1}))
    .sort((a, b) => compareVersions(a.version, b.version) || (a.subject < b.subject ? -1 : 1))
  return {name: source, source, versions, faults: []}
}

/** A worker may listen on each subject behind a wildcard by itself: the most copies on one of them. */
function copiesOf({versions}: ServiceEndpoint, version: Version): number {
  return Math.max(0, ...versions.filter((each) => each.version === version).map(({instances}) => instances))
}

/** Who listens and cannot be told to be some version, a sentence each. */
function unknownListeners(
  {incumbent}: DeclaredService,
  {source, template, where}: DeclaredSource,
  listeners: readonly Listener[],
): string[] {
  const onSource = incumbent === undefined && listeners.some(({subject}) => covers(source, subject))
  const pattern = templatePattern(template)
  const dashed = listeners.map(({subject}) => subject).filter((subject) => covers(pattern, subject))
  const subjects = [...new Set(dashed)]
    .sort()
    .slice(0, 10)
    .map((subject) => `'${subject}'`)
  return [
    ...(onSource
      ? [`Somebody listens on '${source}' itself: if that is a version, write incumbent: VERSION (${where}).`]
      : []),
    ...(template.form === 'dash' && subjects.length > 0
      ? [`Somebody listens on ${subjects.join(', ')}; '${template.text}' does not tell which version, so name it.`]
      : []),
  ]
}
