import {z} from 'zod'

import {parseVersion, type Version} from '../entity/version.js'

const versionSchema = z.string().transform((text, context): Version => {
  try {
    return parseVersion(text)
  } catch {
    context.addIssue({code: 'custom', message: 'not a version'})
    return z.NEVER
  }
})

/** A leg as it is recorded; see Leg. */
interface RecordedLeg {
  readonly version: Version
  readonly weight: number
  readonly cluster?: string
  readonly sink?: true
}

const legSchema = z
  .object({
    version: versionSchema,
    weight: z.number().int().min(1).max(100),
    cluster: z.string().min(1).optional(),
    sink: z.literal(true).optional(),
  })
  .transform(({cluster, sink, ...leg}): RecordedLeg => ({
    ...leg,
    ...(cluster === undefined ? {} : {cluster}),
    ...(sink === undefined ? {} : {sink}),
  }))

const legsSchema = z.array(legSchema).max(100).refine(isWholeSplit, {message: 'not a whole split'})

const endpointSchema = z.object({
  source: z.string(),
  addresses: z.record(z.string(), z.string()),
  queue: z.string().optional(),
})

/**
 * The record of one entity's route. It is a proposal: what counts is the account token, and every command recomputes
 * subjects and checks from the entity. Unknown fields pass through.
 */
export const routeSchema = z.looseObject({
  lattice: z.string(),
  kind: z.enum(['actor', 'provider', 'service', 'subject']),
  /** Public key of the entity, name of the service, or the source. */
  key: z.string(),
  name: z.string(),
  link: z.string().optional(),
  /** The first one where there are several. */
  source: z.string(),
  /** Of a service or subject: where each version listened when the route was made. */
  endpoints: z.array(endpointSchema).optional(),
  strategy: z.string(),
  driver: z.enum(['jwt', 'config', 'leaf', 'controlplane']),
  /** `applying` until the change was verified; past its deadline nobody is at it any more. */
  state: z.enum(['applying', 'live']),
  /** Server time; only while applying. */
  deadline: z.iso.datetime().optional(),
  /** Empty: no mapping, callers reach whoever listens on the source. */
  legs: legsSchema,
  /** The legs that these replaced. */
  replaced: legsSchema,
  /** Of the mapping that was applied, as mappingDigest makes it. */
  digest: z.string(),
  /** Of the mapping that was replaced. */
  replacedDigest: z.string(),
  who: z.looseObject({
    user: z.string().optional(),
    account: z.string(),
    host: z.string().optional(),
    /** From variables of a CI system, which anyone may set. */
    claimed: z.record(z.string(), z.string()).optional(),
  }),
  /** Server time. */
  when: z.iso.datetime(),
  why: z.string().max(4000).optional(),
  /** From the first request to the last server's answer. */
  durationMs: z.number().min(0).optional(),
  allowances: z.array(z.string()).default([]),
  /** Names of the servers that were asked. */
  servers: z.array(z.string().max(255)).max(2000).default([]),
  /** Server time when it goes back to what `restores` says. */
  expiresAt: z.iso.datetime().optional(),
  /** Of a route that expires: the legs that it goes back to; empty: no mapping. */
  restores: legsSchema.optional(),
  /** The operator key's word for that; see isSealed. */
  seal: z.string().optional(),
})

export type RouteRecord = z.infer<typeof routeSchema>

/** Nothing, or in each cluster every version once and 100 percent in all; legs for everywhere are one such group. */
function isWholeSplit(legs: readonly RecordedLeg[]): boolean {
  const groups = Map.groupBy(legs, ({cluster}) => cluster)
  return (
    (legs.length === 0 || groups.has(undefined)) &&
    [...groups.values()].every((group) => {
      const names = new Set(group.map(({version, sink = false}) => JSON.stringify([version, sink])))
      return group.reduce((total, {weight}) => total + weight, 0) === 100 && names.size === group.length
    })
  )
}
