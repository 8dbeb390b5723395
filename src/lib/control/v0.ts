import {z} from 'zod'

import {parseVersion, type Version} from '../entity/version.js'
import {ServerError, UsageError} from '../errors.js'
import {claimsSchema, type ClaimsRecord} from '../records/claims.js'
import {linkSchema, type LinkRecord} from '../records/link.js'
import {
  versionedLabel,
  type Ack,
  type ActorInventory,
  type HostInventory,
  type HostPing,
  type LatticeEvent,
  type ProviderInventory,
} from './dialect.js'
import {byText, byVersion} from './order.js'

// What comes in from hosts: OTP, Rust 0.78 to 0.82 and ours. Fields that one of them leaves out are optional.

const texts = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) =>
    Object.fromEntries(
      Object.entries(value ?? {}).flatMap(([key, item]) => (typeof item === 'string' ? [[key, item]] : [])),
    ),
  )
const text = z.string().nullish()
const number = z.number().nullish()
const flag = z.boolean().nullish()

const pingSchema = z.looseObject({
  id: z.string(),
  labels: texts,
  friendly_name: text,
  uptime_seconds: number,
  version: text,
  lattice_prefix: text,
  lattice: text,
})

const instanceSchema = z.looseObject({
  annotations: texts,
  instance_id: text,
  image_ref: text,
  max_instances: number,
  max_concurrent: number,
  count: number,
  workers: number,
  version: text,
  dark: flag,
})
const actorSchema = z.looseObject({
  id: z.string(),
  image_ref: text,
  name: text,
  instances: z.array(instanceSchema).nullish(),
})
const linkStateSchema = z.looseObject({actor_id: z.string(), address: text, error: text})
const providerSchema = z.looseObject({
  id: z.string(),
  link_name: text,
  contract_id: text,
  image_ref: text,
  name: text,
  version: text,
  dark: flag,
  annotations: texts,
  instance_id: text,
  links: z.array(linkStateSchema).nullish(),
})
const inventorySchema = z.looseObject({
  host_id: z.string(),
  labels: texts,
  friendly_name: text,
  version: text,
  uptime_seconds: number,
  actors: z.array(actorSchema).nullish(),
  providers: z.array(providerSchema).nullish(),
})

const ackSchema = z.looseObject({
  accepted: z.boolean(),
  error: text,
  candidates: z.array(z.looseObject({version: z.string(), count: z.number()})).nullish(),
})
const eventSchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  source: text,
  time: text,
  data: z.record(z.string(), z.unknown()).nullish(),
})
const eventPrefix = 'com.wasmcloud.lattice.'

/** Reads an answer to a ping; throws a ServerError when it is none. */
export function parsePing(value: unknown): HostPing {
  const ping = parse(pingSchema, value, 'answer to a ping')
  return {
    id: ping.id,
    name: ping.friendly_name ?? '',
    version: ping.version ?? '',
    labels: ping.labels,
    uptimeSeconds: ping.uptime_seconds ?? 0,
    lattice: ping.lattice ?? ping.lattice_prefix ?? '',
    dialect: 'v0',
    versioned: ping.labels[versionedLabel] === '1',
  }
}

/** Reads an inventory; throws a ServerError when it is none. Sorted by key, then version. */
export function parseInventory(value: unknown): HostInventory {
  const inventory = parse(inventorySchema, value, 'inventory')
  const {labels} = inventory
  return {
    host: {
      id: inventory.host_id,
      name: inventory.friendly_name ?? '',
      labels,
      versioned: labels[versionedLabel] === '1',
      ...defined({version: inventory.version, uptimeSeconds: inventory.uptime_seconds}),
    },
    actors: (inventory.actors ?? []).map(actorOf).sort((a, b) => byText(a.key, b.key)),
    providers: (inventory.providers ?? [])
      .map(providerOf)
      .sort((a, b) => byText(a.key, b.key) || byText(a.link, b.link) || byVersion(a.version, b.version)),
  }
}

function actorOf({id, image_ref, name, instances}: z.infer<typeof actorSchema>): ActorInventory {
  return {
    key: id,
    ...defined({name}),
    instances: (instances ?? [])
      .map((instance) => ({
        ...defined({
          version: wireVersion(instance.version),
          imageRef: instance.image_ref ?? image_ref,
          workers: instance.workers,
          instanceId: instance.instance_id,
        }),
        count: instance.count ?? instance.max_instances ?? instance.max_concurrent ?? 1,
        dark: instance.dark ?? false,
        annotations: instance.annotations,
      }))
      .sort((a, b) => byVersion(a.version, b.version) || byText(a.imageRef ?? '', b.imageRef ?? '')),
  }
}

function providerOf(provider: z.infer<typeof providerSchema>): ProviderInventory {
  const {id, name, instance_id: instanceId, image_ref: imageRef, links} = provider
  return {
    key: id,
    link: provider.link_name ?? 'default',
    contract: provider.contract_id ?? '',
    ...defined({name, version: wireVersion(provider.version), imageRef, instanceId}),
    dark: provider.dark ?? false,
    annotations: provider.annotations,
    ...(links == null
      ? {}
      : {links: links.map(({actor_id, address, error}) => ({actor: actor_id, ...defined({address, error})}))}),
  }
}

/** Reads an ack; throws a ServerError when it is none. */
export function parseAck(value: unknown): Ack {
  const {accepted, error, candidates} = parse(ackSchema, value, 'acknowledgement')
  return {accepted, error: error ?? '', ...(candidates == null ? {} : {candidates})}
}

/** Reads the answer to get.claims; entries that are no claims are left out. */
export function parseClaims(value: unknown): ClaimsRecord[] {
  const {claims} = parse(z.looseObject({claims: z.array(z.unknown()).nullish()}), value, 'list of claims')
  return readable(claimsSchema, claims)
}

/** Reads the answer to get.links; entries that are no links are left out. */
export function parseLinks(value: unknown): LinkRecord[] {
  const {links} = parse(z.looseObject({links: z.array(z.unknown()).nullish()}), value, 'list of links')
  return readable(linkSchema, links)
}

/** Reads an event; undefined for what is none. */
export function parseEvent(value: unknown): LatticeEvent | undefined {
  const {success, data: event} = eventSchema.safeParse(value)
  if (!success || !event.type.startsWith(eventPrefix)) return undefined
  return {
    id: event.id,
    name: event.type.slice(eventPrefix.length),
    source: event.source ?? '',
    ...defined({time: event.time}),
    data: event.data ?? {},
  }
}

/** An event as it is published: CloudEvents 1.0 (§3). */
export function formatEvent({id, name, source, time, data}: LatticeEvent): object {
  return {
    specversion: '1.0',
    id,
    type: `${eventPrefix}${name}`,
    source,
    datacontenttype: 'application/json',
    ...defined({time}),
    data,
  }
}

/** The version on the wire; undefined when it is absent, empty or nothing a version can be. */
export function wireVersion(value: string | null | undefined): Version | undefined {
  if (value === null || value === undefined || value === '') return undefined
  try {
    return parseVersion(value)
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  }
}

/** Checks the shape of a payload; throws a ServerError with the path that is wrong. */
export function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const path = result.error.issues[0]?.path.join('.') ?? ''
  throw new ServerError(`The message is no ${what}: ${path === '' ? 'its form' : `its field '${path}'`} is wrong.`, {
    details: {path},
  })
}

type Defined<T> = {[K in keyof T]?: NonNullable<T[K]>}

/** The fields that have a value. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  ) as Defined<T>
}

function readable<T>(schema: z.ZodType<T>, values: readonly unknown[] | null | undefined): T[] {
  return (values ?? []).flatMap((value) => {
    const {success, data} = schema.safeParse(value)
    return success ? [data] : []
  })
}
