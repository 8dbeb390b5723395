import {formatRef, runningVersions, type EntityRef} from '../entity/entity.js'
import {entityName, shellWord, versionName} from '../entity/require.js'
import {NotFoundError, ServerError, UsageError} from '../errors.js'
import {NoRespondersError, request} from '../nats/request.js'
import type {ServiceEndpoint, ServiceEntity} from '../services/service.js'
import type {CallOptions, CallResult} from './call.js'

/** A service answered that it could not do what it was asked; the sentence is its own. */
export class ServiceFailedError extends ServerError {
  constructor(subject: string, code: string, description: string) {
    super(`The service on '${subject}' answered with error ${code}${description === '' ? '' : `: ${description}`}.`, {
      details: {subject, code, description},
    })
  }
}

/** No version listens where callers send to, and no route leads to one. */
class NotRoutedError extends NotFoundError {
  constructor(service: ServiceEntity, operation: string) {
    const versions = runningVersions(service)
    super(`Nobody answers callers of '${operation}': '${service.name}' has no route to a version that runs.`, {
      suggestions: versions.flatMap((version) => [
        `lattice route bluegreen ${entityName(service)} --to ${shellWord(version)}`,
        `lattice call ${versionName(service, version)} ${operation}`,
      ]),
      details: {service: service.name, operation, versions},
    })
  }
}

/** Requests an endpoint of a service, of one version where it is named, else where its callers do. */
export async function callService(
  service: ServiceEntity,
  ref: EntityRef,
  {operation, payload = '', raw, connection, spec}: CallOptions,
): Promise<CallResult> {
  const subject = requestSubject(service, ref, operation)
  const reply = await request(connection, subject, payload, {timeoutMs: spec.timeoutMs}).catch((error: unknown) => {
    throw error instanceof NoRespondersError && ref.version === undefined
      ? new NotRoutedError(service, operation)
      : error
  })
  const code = reply.headers?.get('Nats-Service-Error-Code') ?? ''
  if (code !== '') throw new ServiceFailedError(subject, code, reply.headers?.get('Nats-Service-Error') ?? '')
  return {
    entity: service.name,
    key: service.key,
    ...(ref.version === undefined ? {} : {version: ref.version}),
    operation,
    subject,
    result: readAnswer(reply.data, raw),
  }
}

function requestSubject(service: ServiceEntity, ref: EntityRef, operation: string): string {
  const endpoints = service.service.endpoints.filter(({name}) => name === operation)
  const subjects = [...new Set(endpoints.flatMap((endpoint) => subjectsOf(endpoint, ref)))]
  const [subject] = subjects
  if (endpoints.length === 0 || (ref.version !== undefined && subject === undefined)) {
    throw new NotFoundError(`'${formatRef(ref)}' has no endpoint ${JSON.stringify(operation)}.`, {
      suggestions: callLines(service, ref),
      details: {service: service.name, operation},
    })
  }
  if (subject === undefined || subjects.length > 1) {
    throw new UsageError(`'${formatRef(ref)}' does not say where callers of ${JSON.stringify(operation)} send to.`, {
      suggestions: [...new Set(endpoints.flatMap(({versions}) => versions.map(({version}) => version)))].map(
        (version) => `lattice call ${versionName(service, version)} ${operation}`,
      ),
    })
  }
  if (!/[*>]/.test(subject)) return subject
  throw new UsageError(`The endpoint ${JSON.stringify(operation)} listens on '${subject}', which is many subjects.`, {
    suggestions: [`nats request ${subject.replaceAll('*', 'TOKEN').replace('>', 'TOKENS')} PAYLOAD`],
  })
}

/** Without a version: the source, or the one subject that all versions have. */
function subjectsOf({source, versions}: ServiceEndpoint, {version}: EntityRef): string[] {
  if (version === undefined && source !== undefined) return [source]
  return versions.filter((each) => version === undefined || each.version === version).map(({subject}) => subject)
}

function callLines(service: ServiceEntity, ref: EntityRef): string[] {
  const having = service.service.endpoints.filter(({versions}) =>
    versions.some(({version}) => ref.version === undefined || version === ref.version),
  )
  const who = ref.version === undefined ? entityName(service) : versionName(service, ref.version)
  return [...new Set(having.map(({name}) => name))].map((name) => `lattice call ${who} ${name}`)
}

/** Services answer as they like: JSON where it is JSON, else text, else base64. */
function readAnswer(bytes: Uint8Array, raw: boolean): unknown {
  if (bytes.length === 0) return raw ? '' : null
  let text: string
  try {
    text = new TextDecoder('utf-8', {fatal: true}).decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('base64')
  }
  if (raw) return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
