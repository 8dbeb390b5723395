import {z} from 'zod'

import type {LinkRecord} from '../records/link.js'
import {linkSchema} from '../records/link.js'
import type {
  Ack,
  HostInventory,
  HostPing,
  ScaleActor,
  StartActor,
  StartProvider,
  StopActor,
  StopProvider,
  UpdateActor,
} from './dialect.js'
import {defined, parse} from './v0.js'

// Requests as they are sent to hosts and as our host reads them (§2.1), and what it answers. Supersets are sent:
// every family ignores the fields it does not know.

const text = z.string().nullish()
const annotations = z.record(z.string(), z.string()).nullish()
const count = z.number().int().min(0).max(1_000_000).nullish()
const shared = {version: text, dark: z.boolean().nullish(), annotations}

const startActorSchema = z.looseObject({actor_ref: z.string(), count, ...shared})
const stopActorSchema = z.looseObject({actor_ref: z.string(), count, ...shared})
const scaleActorSchema = z.looseObject({actor_id: z.string(), actor_ref: text, count, ...shared})
const updateActorSchema = z.looseObject({actor_id: text, new_actor_ref: z.string(), ...shared})
const startProviderSchema = z.looseObject({provider_ref: z.string(), link_name: text, configuration: text, ...shared})
const stopProviderSchema = z.looseObject({provider_ref: z.string(), link_name: text, contract_id: text, ...shared})
const linkKeySchema = z.looseObject({actor_id: z.string(), contract_id: z.string(), link_name: z.string()})

export type LinkKey = Pick<LinkRecord, 'actor_id' | 'contract_id' | 'link_name'>

export function formatStartActor(host: string, {ref, count, ...rest}: StartActor): object {
  return {actor_ref: ref, count, ...extras(host, rest)}
}

/** Throws a ServerError for a body that asks for nothing; so do the others that read. */
export function readStartActor(body: unknown): StartActor {
  const {actor_ref, count, ...rest} = parse(startActorSchema, body, 'request to start an actor')
  return {ref: actor_ref, count: count ?? 1, ...optional(rest)}
}

export function formatStopActor(host: string, {key, count, ...rest}: StopActor): object {
  return {actor_ref: key, count, ...extras(host, rest)}
}

export function readStopActor(body: unknown): StopActor {
  const {actor_ref, count, version} = parse(stopActorSchema, body, 'request to stop an actor')
  return {key: actor_ref, count: count ?? 0, ...defined({version})}
}

export function formatScaleActor(host: string, {key, ref, count, ...rest}: ScaleActor): object {
  return {actor_id: key, actor_ref: ref, count, ...extras(host, rest)}
}

/** A missing count is refused: hosts disagree whether it means none or no limit. */
export function readScaleActor(body: unknown): ScaleActor {
  const schema = scaleActorSchema.extend({count: count.unwrap().unwrap()})
  const {actor_id, actor_ref, count: wanted, version, ...rest} = parse(schema, body, 'request to scale an actor')
  return {key: actor_id, ref: actor_ref ?? '', count: wanted, ...defined({version}), ...optional(rest)}
}

export function formatUpdateActor(host: string, {key, ref, ...rest}: UpdateActor): object {
  return {actor_id: key, new_actor_ref: ref, ...extras(host, rest)}
}

export function readUpdateActor(body: unknown): UpdateActor {
  const {actor_id, new_actor_ref, version} = parse(updateActorSchema, body, 'request to update an actor')
  return {key: actor_id ?? '', ref: new_actor_ref, ...defined({version})}
}

export function formatStartProvider(host: string, {ref, link, config, ...rest}: StartProvider): object {
  return {provider_ref: ref, link_name: link, configuration: config ?? '', ...extras(host, rest)}
}

export function readStartProvider(body: unknown): StartProvider {
  const {provider_ref, link_name, configuration, ...rest} = parse(
    startProviderSchema,
    body,
    'request to start a provider',
  )
  return {ref: provider_ref, link: link_name ?? 'default', ...defined({config: configuration}), ...optional(rest)}
}

export function formatStopProvider(host: string, {key, link, contract, ...rest}: StopProvider): object {
  return {provider_ref: key, link_name: link, contract_id: contract, ...extras(host, rest)}
}

export function readStopProvider(body: unknown): StopProvider {
  const {provider_ref, link_name, contract_id, version} = parse(stopProviderSchema, body, 'request to stop a provider')
  return {key: provider_ref, link: link_name ?? 'default', contract: contract_id ?? '', ...defined({version})}
}

/** All hosts need JSON here; the time limit is in milliseconds. */
export function formatStopHost(host: string, timeoutMs: number): object {
  return {host_id: host, timeout: timeoutMs}
}

export function readPutLink(body: unknown): LinkRecord {
  return parse(linkSchema, body, 'link definition')
}

export function readDeleteLink(body: unknown): LinkKey {
  return parse(linkKeySchema, body, 'link to be deleted')
}

export function formatAck({accepted, error, candidates}: Ack): object {
  return {accepted, error, ...(candidates === undefined ? {} : {candidates})}
}

/** What a host adds to the general part of an answer to a ping. */
export interface HostIdentity extends HostPing {
  readonly clusterKey: string
  readonly clusterIssuers: readonly string[]
  readonly jsDomain?: string
  /** `host:port` of the server. */
  readonly server: string
}

export function formatPing({id, labels, uptimeSeconds, lattice, ...host}: HostIdentity): object {
  return {
    id,
    issuer: host.clusterKey,
    labels,
    friendly_name: host.name,
    uptime_seconds: uptimeSeconds,
    uptime_human: humanUptime(uptimeSeconds),
    version: host.version,
    cluster_issuers: host.clusterIssuers.join(','),
    js_domain: host.jsDomain ?? null,
    ctl_host: host.server,
    prov_rpc_host: host.server,
    rpc_host: host.server,
    lattice_prefix: lattice,
    lattice,
  }
}

/** An inventory with the additions of §8: versions, counts, live workers, dark ones, and what links came to. */
export function formatInventory({host, actors, providers}: HostInventory, issuer: string): object {
  const {uptimeSeconds = 0} = host
  return {
    host_id: host.id,
    issuer,
    labels: host.labels,
    friendly_name: host.name,
    version: host.version ?? '',
    uptime_seconds: uptimeSeconds,
    uptime_human: humanUptime(uptimeSeconds),
    actors: actors.map(({key, name, instances}) => ({
      id: key,
      image_ref: instances[0]?.imageRef ?? '',
      name: name ?? '',
      instances: instances.map(({annotations, instanceId, imageRef, count, workers, version, dark}) => ({
        annotations,
        instance_id: instanceId ?? '',
        revision: 0,
        image_ref: imageRef ?? '',
        max_instances: count,
        count,
        dark,
        ...defined({workers, version}),
      })),
    })),
    providers: providers.map(
      ({key, link, contract, name, version, imageRef, dark, annotations, instanceId, links}) => ({
        id: key,
        link_name: link,
        contract_id: contract,
        name: name ?? '',
        image_ref: imageRef ?? '',
        instance_id: instanceId ?? '',
        annotations,
        revision: 0,
        dark,
        ...defined({version}),
        links: (links ?? []).map(({actor, address, error}) => ({actor_id: actor, ...defined({address, error})})),
      }),
    ),
  }
}

/** Data of a heartbeat: the map of counts that old readers know, and the counts of each version (§8.2 #21). */
export function formatHeartbeat({host, actors, providers}: HostInventory): Record<string, unknown> {
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)
  const {uptimeSeconds = 0} = host
  return {
    actors: Object.fromEntries(actors.map(({key, instances}) => [key, sum(instances.map(({count}) => count))])),
    actor_versions: Object.fromEntries(
      actors.map(({key, instances}) => [
        key,
        Object.fromEntries(instances.flatMap(({version, count}) => (version === undefined ? [] : [[version, count]]))),
      ]),
    ),
    providers: providers.map(({key, link, contract, version}) => ({
      public_key: key,
      link_name: link,
      contract_id: contract,
      ...defined({version}),
    })),
    labels: host.labels,
    friendly_name: host.name,
    version: host.version ?? '',
    uptime_seconds: uptimeSeconds,
    uptime_human: humanUptime(uptimeSeconds),
  }
}

interface Extras {
  readonly version?: string
  readonly dark?: boolean
  readonly annotations?: Readonly<Record<string, string>>
}

function extras(host: string, {version, dark, annotations = {}}: Extras): object {
  return {annotations, host_id: host, ...defined({version, dark})}
}

function optional({
  dark,
  annotations,
}: {
  dark?: boolean | null | undefined
  annotations?: Record<string, string> | null | undefined
}): {dark?: boolean; annotations?: Record<string, string>} {
  return defined({dark, annotations})
}

function humanUptime(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'day'],
    [Math.floor(seconds / 3600) % 24, 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
    [Math.floor(seconds) % 60, 'second'],
  ] as const
  const shown = parts.filter(([value], index) => value > 0 || index === parts.length - 1)
  return shown.map(([value, unit]) => `${value} ${unit}${value === 1 ? '' : 's'}`).join(', ')
}
