import {z} from 'zod'

import type {HostPing} from './dialect.js'
import {parse} from './v0.js'

const pingSchema = z.looseObject({
  success: z.literal(true),
  response: z.looseObject({
    id: z.string(),
    friendly_name: z.string().nullish(),
    labels: z.record(z.string(), z.string()).nullish(),
    lattice: z.string().nullish(),
    uptime_seconds: z.number().nullish(),
    version: z.string().nullish(),
  }),
})

/** Subject on which every v1 host of a lattice answers a ping (wasmcloud v1, §3). */
export function pingSubject(lattice: string): string {
  return `wasmbus.ctl.v1.${lattice}.host.ping`
}

const inventorySchema = z.looseObject({
  success: z.literal(true),
  response: z.looseObject({
    // Hosts before 1.0 say `actors`.
    components: z.array(z.looseObject({id: z.string()})).nullish(),
    actors: z.array(z.looseObject({id: z.string()})).nullish(),
    providers: z.array(z.looseObject({id: z.string()})).nullish(),
  }),
})

/** Subject on which a v1 host tells what it runs (wasmcloud v1, §4). */
export function inventorySubject(lattice: string, host: string): string {
  return `wasmbus.ctl.v1.${lattice}.host.get.${host}`
}

/** The ids of what a v1 host says that it runs; throws a ServerError when it says something else. */
export function parseComponentIds(value: unknown): string[] {
  const {components, actors, providers} = parse(inventorySchema, value, 'inventory').response
  return [...(components ?? []), ...(actors ?? []), ...(providers ?? [])].map(({id}) => id)
}

/** Reads a v1 host's answer to a ping; throws a ServerError when it is none. */
export function parsePing(value: unknown): HostPing {
  const {response} = parse(pingSchema, value, 'answer to a ping')
  return {
    id: response.id,
    name: response.friendly_name ?? '',
    version: response.version ?? '',
    labels: response.labels ?? {},
    uptimeSeconds: response.uptime_seconds ?? 0,
    lattice: response.lattice ?? '',
    dialect: 'v1',
    versioned: false,
  }
}
