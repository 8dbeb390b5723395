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

const legsSchema = z
  .array(z.object({version: versionSchema, weight: z.number().int().min(1).max(100)}))
  .max(100)
  .refine(isWholeSplit, {message: 'not a whole split'})

/**
 * The record of one entity's route. It is a proposal: what counts is the account token, and every command recomputes
 * subjects and checks from the entity. Unknown fields pass through.
 */
export const routeSchema = z.looseObject({
  lattice: z.string(),
  kind: z.enum(['actor', 'provider']),
  /** Public key of the entity. */
  key: z.string(),
  name: z.string(),
  link: z.string().optional(),
  source: z.string(),
  strategy: z.string(),
  driver: z.literal('jwt'),
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
  why: z.string().optional(),
  allowances: z.array(z.string()).default([]),
  /** Names of the servers that were asked. */
  servers: z.array(z.string()).default([]),
  expiresAt: z.iso.datetime().optional(),
})

export type RouteRecord = z.infer<typeof routeSchema>

/** Nothing, or every version once and 100 percent in all. */
function isWholeSplit(legs: readonly {readonly version: string; readonly weight: number}[]): boolean {
  const sum = legs.reduce((total, {weight}) => total + weight, 0)
  return legs.length === 0 || (sum === 100 && new Set(legs.map(({version}) => version)).size === legs.length)
}
