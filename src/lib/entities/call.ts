import {decode, encode} from '@msgpack/msgpack'
import type {NatsConnection} from '@nats-io/transport-node'

import type {ControlClient} from '../control/client.js'
import {discover} from '../control/discover.js'
import {formatRef, type Entity, type EntityRef} from '../entity/entity.js'
import {entityName, requireEntity} from '../entity/require.js'
import type {Version} from '../entity/version.js'
import {ConnectionError, ServerError, UsageError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import {readSeedFile} from '../nats/creds.js'
import type {ConnectSpec} from '../nats/spec.js'
import type {DeclaredServices} from '../routes/declared.js'
import {callActor} from '../rpc/caller.js'
import type {ServiceEntity} from '../services/service.js'
import {callService} from './call-service.js'
import {targetInstances} from './find.js'
import {isForbidden, readServices} from './services.js'

export interface CallOptions {
  readonly operation: string
  /** JSON text, or the bytes themselves when `raw`. */
  readonly payload: string | undefined
  readonly raw: boolean
  readonly connection: NatsConnection
  readonly spec: ConnectSpec
  /** The services that a file declares. */
  readonly declared?: DeclaredServices | undefined
}

export interface CallResult {
  readonly entity: string
  readonly key: string
  /** Version that was named; without one the route chose. */
  readonly version?: Version
  readonly operation: string
  /** Where the request of a micro service went. */
  readonly subject?: string
  /** The answer: decoded MessagePack, or text when `raw`; byte strings that are UTF-8 appear as text, others as base64. */
  readonly result: unknown
}

/** Calls one operation of an actor or endpoint of a service, and decodes its answer; throws what these said. */
export async function callEntity(control: ControlClient, ref: EntityRef, options: CallOptions): Promise<CallResult> {
  const entity = await findCallable(control, ref, options)
  return 'service' in entity ? callService(entity, ref, options) : await callActorOf(entity, ref, options)
}

/** Hosts and services may have the same names. Who may not ask the hosts can still call a service. */
async function findCallable(
  control: ControlClient,
  ref: EntityRef,
  {connection, declared}: CallOptions,
): Promise<Entity | ServiceEntity> {
  const mayBeService = ref.link === undefined && /^[A-Za-z0-9_-]+$/.test(ref.name) && !isPublicKey(ref.name, 'M')
  const [hosted, {services}, others = []] = await Promise.all([
    discover(control).catch((error: unknown) => {
      if (isForbidden(error)) return error
      throw error
    }),
    mayBeService
      ? readServices(control, connection, {name: ref.name, services: declared?.services ?? []})
      : {services: []},
    mayBeService ? declared?.entities(ref) : [],
  ])
  if (hosted instanceof Error && services.length + others.length === 0) throw hosted
  const entities = hosted instanceof Error ? [] : hosted.entities
  return requireEntity(ref, [...entities, ...(services.length > 0 ? services : others)], control.lattice)
}

async function callActorOf(entity: Entity, ref: EntityRef, options: CallOptions): Promise<CallResult> {
  const {operation, connection, spec} = options
  const payload = encodePayload(options)
  if (spec.clusterSeedFile === undefined) {
    throw new ConnectionError('A call is signed with the cluster seed, and none is known.', {
      suggestions: [
        '--cluster-seed-file FILE (or LATTICE_CLUSTER_SEED_FILE)',
        '"clusterSeedFile" in the lattice part of the context',
      ],
    })
  }
  const clusterKey = await readSeedFile(spec.clusterSeedFile, 'cluster seed file', 'C')
  if (entity.kind !== 'actor') {
    throw new UsageError(`'${formatRef(ref)}' is a provider; only actors and services can be called.`, {
      suggestions: ['lattice entity ls'],
    })
  }
  if (ref.version !== undefined && targetInstances(entity, ref, undefined).length === 0) {
    throw new NobodyRunsError(
      ref,
      entity.instances.map(({version}) => version ?? '?'),
    )
  }
  const answer = await callActor(connection, {
    lattice: spec.lattice,
    target: entity.key,
    ...(ref.version === undefined ? {} : {version: ref.version}),
    operation,
    payload,
    clusterKey,
    timeoutMs: spec.timeoutMs,
  })
  return {
    entity: entityName(entity),
    key: entity.key,
    ...(ref.version === undefined ? {} : {version: ref.version}),
    operation,
    result: decodeAnswer(answer, options.raw),
  }
}

class NobodyRunsError extends ServerError {
  override readonly kind = 'notFound'

  constructor(ref: EntityRef, running: readonly string[]) {
    super(`Nobody runs '${formatRef(ref)}'.`, {
      suggestions: [...new Set(running)].map((version) => `${formatRef({name: ref.name})}@${version}`),
      details: {entity: formatRef(ref), running},
    })
  }
}

function encodePayload({payload, raw}: CallOptions): Uint8Array {
  if (payload === undefined) return new Uint8Array()
  if (raw) return Buffer.from(payload, 'utf8')
  try {
    return encode(JSON.parse(payload))
  } catch {
    throw new UsageError('The payload is not JSON.', {suggestions: [`'${JSON.stringify(payload)}'`, '--raw']})
  }
}

function decodeAnswer(bytes: Uint8Array, raw: boolean): unknown {
  if (raw) return showBytes(bytes)
  if (bytes.length === 0) return null
  try {
    return readable(decode(bytes))
  } catch {
    return showBytes(bytes)
  }
}

/** JSON has no byte strings: text where they are text, base64 otherwise. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return showBytes(value)
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return value.map(readable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, readable(item)]))
}

function showBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('base64')
  }
}
