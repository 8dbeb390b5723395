import {covers} from '../routing/subject.js'
import type {InstanceEndpoint, ServiceInstance} from './info.js'
import {asAddress, isIncumbent} from './mapping.js'
import type {Service} from './service.js'
import type {DeclaredService, DeclaredSource} from './services-file.js'
import {addressAt} from './template.js'

/**
 * An instance that answers for itself, with the sources that a file knows of its endpoints where their metadata names
 * none. What contradicts the file is a fault of the endpoint.
 */
export function withDeclaredSources(instance: ServiceInstance, declared: readonly DeclaredService[]): ServiceInstance {
  const service = declared.find(({name, lattice}) => name === instance.name && lattice === instance.lattice)
  const {version} = instance
  if (service === undefined || version === undefined) return instance
  const endpoints = instance.endpoints.map((endpoint) => withSource(endpoint, version, service))
  return {...instance, endpoints}
}

/** What a file declares of a service that answers, and no endpoint of it is behind, a sentence each. */
export function unansweredSources(
  {name, endpoints}: Pick<Service, 'name' | 'endpoints'>,
  declared: readonly DeclaredService[],
): string[] {
  const sources = endpoints.flatMap(({source}) => source ?? [])
  return (declared.find((one) => one.name === name)?.sources ?? [])
    .filter(({source}) => !sources.some((other) => covers(source, other)))
    .map(({source, where}) => `No endpoint of '${name}' is behind '${source}' (${where}), so that stays as it is.`)
}

function withSource(endpoint: InstanceEndpoint, version: string, {sources}: DeclaredService): InstanceEndpoint {
  const {source: said, subject} = endpoint
  const found = sources.flatMap((one) => {
    const source = sourceBehind(one, subject, version)
    return source === undefined ? [] : [{source, where: one.where}]
  })[0]
  if (said === undefined) return found === undefined ? endpoint : {...endpoint, source: found.source}
  if (found !== undefined && found.source !== said) {
    const fault = `Version ${version} says that callers use '${said}', and ${found.where} says '${found.source}'.`
    return {...endpoint, faults: [fault]}
  }
  const other = found === undefined ? sources.find(({source}) => source === said) : undefined
  if (other === undefined) return endpoint
  const wanted = addressAt(other.template, version)
  const fault = `Version ${version} listens on '${subject}' behind '${said}', and ${other.where} says '${wanted}'.`
  return {...endpoint, faults: [fault]}
}

/** The subject of the callers of one that a version listens on; undefined where the template does not lead there. */
function sourceBehind({source, template}: DeclaredSource, subject: string, version: string): string | undefined {
  if (isIncumbent(source, asAddress(subject))) return source
  const [address, given] = [addressAt(template, version).split('.'), subject.split('.')]
  const open = address.at(-1) === '>'
  if (open ? given.length < address.length : given.length !== address.length) return undefined
  const carried = new Map<string, string>()
  for (const [index, token] of address.entries()) {
    const other = given[index]!
    if (/^\$\d+$/.test(token)) carried.set(token, other)
    else if (token === '>') carried.set(token, given.slice(index).join('.'))
    else if (token !== other) return undefined
  }
  let wildcards = 0
  return source
    .split('.')
    .map((token) => carried.get(token === '*' ? `$${++wildcards}` : token) ?? token)
    .join('.')
}
