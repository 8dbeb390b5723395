import type {Instance, ListedEndpoint} from '../entity/entity.js'
import {compareVersions, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {covers, patternOf} from '../routing/subject.js'
import type {ServiceEndpoint, ServiceEntity, VersionEndpoint} from './service.js'
import type {DeclaredService, DeclaredSource} from './services-file.js'
import {addressAt, templatePattern, versionAt, versionFault} from './template.js'

/** Whoever listens can make up versions; what is named counts all the same. */
const mostVersions = 100

/** One subscription of the account. */
export interface Listener {
  readonly subject: string
  readonly queue?: string
}

/**
 * A declared service with what is seen of it; undefined listeners where nobody may look. A version that is asked for has
 * its subjects, whoever listens there.
 */
export function declaredEntity(
  declared: DeclaredService,
  listeners: readonly Listener[] | undefined,
  asked?: Version,
): ServiceEntity {
  const {name, sources, incumbent, where, description} = declared
  const all = sources.map((source) => seenEndpoint(declared, source, listeners ?? []))
  const versions = new Set<Version>(all.flatMap((endpoint) => endpoint.versions.map(({version}) => version)))
  if (incumbent !== undefined) versions.add(incumbent)
  const sorted = [...versions].sort(compareVersions).slice(0, mostVersions)
  const seen = all.map((endpoint) => onlyOf(endpoint, sorted))
  const subjects = asked === undefined ? [] : declaredEndpoints(declared, [asked])
  const endpoints = seen.map((endpoint) => withAsked(endpoint, asked, subjects))
  const unknown = Math.max(...sources.map((source) => dashedListeners(declared, source, listeners ?? []).length))
  return {
    kind: 'service',
    key: name,
    name,
    endpoints: declaredEndpoints(declared, sorted),
    instances: [
      ...sorted.map((version): Instance => ({
        version,
        host: '',
        count: Math.max(...seen.map((endpoint) => copiesOf(endpoint, version))),
        dark: version !== incumbent,
      })),
      ...(unknown === 0 ? [] : [{host: '', count: unknown, dark: true}]),
    ],
    service: {
      endpoints,
      implicitSplits: [],
      notes: [
        ...(listeners === undefined ? ['Who listens is not visible here, so versions have to be named.'] : []),
        ...(versions.size > mostVersions ? [`Only ${mostVersions} of its ${versions.size} versions are shown.`] : []),
        ...sources.flatMap((source) => tellListeners(declared, source, listeners ?? [])),
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
    const versionsAt = new Map<string, string>()
    for (const version of new Set(versions)) {
      const address = version === incumbent ? source : addressAt(template, version)
      const fault = version === incumbent ? undefined : versionFault(source, template, version)
      if (fault !== undefined) {
        throw new UsageError(
          `Version '${version}' of '${name}' has no address by '${template.text}' (${where}): ${fault}.`,
        )
      }
      const twin = versionsAt.get(address)
      if (twin !== undefined) {
        throw new UsageError(
          `The versions '${twin}' and '${version}' of '${name}' have one address, '${address}', by '${template.text}' (${where}).`,
          {
            suggestions: [`${source}: ${template.text.replace('{v:dash}', '{v}')}`],
            details: {service: name, versions: [twin, version], address},
          },
        )
      }
      addresses.set(version, address)
      versionsAt.set(address, version)
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

function onlyOf(endpoint: ServiceEndpoint, versions: readonly Version[]): ServiceEndpoint {
  const kept = new Set<string>(versions)
  return {...endpoint, versions: endpoint.versions.filter(({version}) => kept.has(version))}
}

function withAsked(
  endpoint: ServiceEndpoint,
  asked: Version | undefined,
  subjects: readonly ListedEndpoint[],
): ServiceEndpoint {
  const {versions, source} = endpoint
  const address = asked && subjects.find((one) => one.source === source)?.addresses[asked]
  if (asked === undefined || address === undefined || versions.some(({version}) => version === asked)) return endpoint
  const sought: VersionEndpoint = {version: asked, subject: patternOf(address), instances: 0}
  return {...endpoint, versions: [...versions, sought]}
}

/** A worker may listen on each subject behind a wildcard by itself: the most copies on one of them. */
function copiesOf({versions}: ServiceEndpoint, version: Version): number {
  return Math.max(0, ...versions.filter((each) => each.version === version).map(({instances}) => instances))
}

/** Listeners of versions that an address does not tell. */
function dashedListeners(
  {queue: group}: DeclaredService,
  {source, template}: DeclaredSource,
  listeners: readonly Listener[],
): Listener[] {
  const pattern = templatePattern(template)
  return template.form === 'dash'
    ? listeners
        .filter(({subject}) => covers(pattern, subject) && !covers(source, subject))
        .filter(({queue}) => group === undefined || queue === undefined || queue === group)
    : []
}

/** What the listeners of a service leave open, a sentence each. */
function tellListeners(declared: DeclaredService, at: DeclaredSource, listeners: readonly Listener[]): string[] {
  const {source, template, where} = at
  const onSource = declared.incumbent === undefined && listeners.some(({subject}) => covers(source, subject))
  const dashed = dashedListeners(declared, at, listeners).map(({subject}) => `'${subject}'`)
  const subjects = [...new Set(dashed)].sort().slice(0, 10).join(', ')
  return [
    ...(onSource
      ? [`Somebody listens on '${source}' itself: if that is a version, write incumbent: VERSION (${where}).`]
      : []),
    ...(subjects === ''
      ? []
      : [`Somebody listens on ${subjects}; '${template.text}' does not tell which version, so name it.`]),
  ]
}
