import {z} from 'zod'

import type {EntityKind} from '../../entity/entity.js'
import {isVersion, parseVersion} from '../../entity/version.js'
import {UsageError} from '../../errors.js'
import {allowable} from '../../routing/allow.js'
import {mappingDigest} from '../../routing/plan.js'
import {checkLegs} from '../../routing/weights.js'
import type {RouteChange} from '../result.js'
import type {AskedChange} from './many.js'

const legSchema = z.strictObject({
  version: z.string().refine(isVersion),
  weight: z.number().int().min(1).max(100),
  cluster: z.string().min(1).optional(),
  sink: z.literal(true).optional(),
})

const destinationSchema = z
  .strictObject({
    subject: z.string(),
    weight: z.number().int().min(1).max(100),
    cluster: z.string().optional(),
  })
  .transform(({cluster, ...one}) => ({...one, ...(cluster === undefined ? {} : {cluster})}))

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)

const plannedSchema = z.strictObject({
  entity: z.string(),
  kind: z.enum(['actor', 'provider', 'service', 'subject']),
  key: z.string(),
  link: z.string().optional(),
  legs: z.array(legSchema).max(200),
  previous: z.array(legSchema).max(200).nullable(),
  /** Subjects of a plain service's versions. */
  addresses: z.record(z.string(), z.string()).optional(),
  /** The mappings that will stand in the table; empty: none. */
  mappings: z.array(z.strictObject({source: z.string(), destinations: z.array(destinationSchema)})),
  /** Of the route record: 0 for none. */
  revision: z.number().int().min(0),
  /** Of the mappings that are there, and of those that will be. */
  before: digest,
  after: digest,
  /** Subjects that callers have to be allowed to publish. */
  permissions: z.array(z.string()).optional(),
  warnings: z.array(z.string()),
  why: z.string().optional(),
})

const planSchema = z.strictObject({
  format: z.literal('lattice-route-plan/1'),
  lattice: z.string(),
  made: z.iso.datetime(),
  allow: z.array(z.string().refine((word) => allowable.some((rule) => rule === word))),
  routes: z.array(plannedSchema).max(1000),
})

/** What `route plan` writes and `route apply` takes: our own mappings and digests, and nothing else of the account. */
export type RoutePlan = z.infer<typeof planSchema>
export type PlannedRoute = z.infer<typeof plannedSchema>

/** The plan of changes that a dry run found; routes that are as wanted already are left out. */
export function planOf(
  lattice: string,
  changes: readonly RouteChange[],
  {now, allow = []}: {readonly now: Date; readonly allow?: readonly string[] | undefined},
): RoutePlan {
  const routes = changes.flatMap(({record, mappings, ...change}): PlannedRoute[] => {
    if (record === undefined || mappings === undefined) return []
    const {kind, key, endpoints} = record
    return [
      {
        entity: change.entity,
        kind,
        key,
        ...(change.link === undefined ? {} : {link: change.link}),
        legs: change.legs.map((leg) => ({...leg})),
        previous: change.previous?.map((leg) => ({...leg})) ?? null,
        ...(kind === 'subject' && endpoints?.[0] !== undefined ? {addresses: endpoints[0].addresses} : {}),
        mappings: mappings.map(({source, destinations}) => ({
          source,
          destinations: destinations.map((one) => ({...one})),
        })),
        revision: change.revision ?? 0,
        before: record.replacedDigest,
        after: record.digest,
        ...(change.permissions === undefined ? {} : {permissions: [...change.permissions]}),
        // Who may do what is no business of a file that others read.
        warnings: (change.warnings ?? []).filter((sentence) => !isAboutUsers(change, sentence)),
        ...(record.why === undefined ? {} : {why: record.why}),
      },
    ]
  })
  return {format: 'lattice-route-plan/1', lattice, made: now.toISOString(), allow: [...allow], routes}
}

function isAboutUsers({findings = []}: Pick<RouteChange, 'findings'>, sentence: string): boolean {
  return findings.some((one) => one.rule === 'caller-permission' && one.sentence === sentence)
}

/** Reads a plan; throws a UsageError that names the place. */
export function parsePlan(text: string): RoutePlan {
  const parsed = planSchema.safeParse(readJson(text))
  if (parsed.success) {
    refuseOtherText(parsed.data)
    return parsed.data
  }
  const issue = parsed.error.issues[0]!
  const place = issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`
  throw new UsageError(`The file is not a plan of routes${place}: ${issue.message}.`, {
    suggestions: ['lattice route plan --help'],
  })
}

/** What a person reads in a plan is what it comes to. */
function refuseOtherText({routes}: RoutePlan): void {
  const index = routes.findIndex(({mappings, after}) => mappingDigest(mappings) !== after)
  if (index < 0) return
  throw new UsageError(`The plan was changed after it was made: routes.${index} shows mappings that are not its own.`, {
    suggestions: ['lattice route plan --help'],
  })
}

/** A plan as what is asked for; subjects and checks are computed anew from the entities. */
export function changesOfPlan({routes}: RoutePlan): AskedChange[] {
  return routes.map(({kind, key, link, legs, addresses = {}, why, ...planned}) => ({
    target: targetOf(kind, {key, link, addresses}),
    legs: legs.length === 0 ? [] : checkLegs(legs.map(exactLeg)),
    planned: {
      revision: planned.revision,
      before: planned.before,
      after: planned.after,
      entity: planned.entity,
      previous: planned.previous?.map(exactLeg) ?? null,
    },
    ...(why === undefined ? {} : {why}),
  }))
}

function targetOf(
  kind: EntityKind,
  {key, link, addresses}: {key: string; link: string | undefined; addresses: Record<string, string>},
): AskedChange['target'] {
  if (kind !== 'subject') return {ref: {name: key, ...(link === undefined ? {} : {link})}}
  const written = Object.entries(addresses).map(
    ([version, address]) => `${version}=${address === key ? '@source' : address}`,
  )
  return {sources: [key], addresses: written}
}

function exactLeg({version, weight, cluster, sink}: z.infer<typeof legSchema>): AskedChange['legs'][number] {
  return {
    version: parseVersion(version),
    weight,
    ...(cluster === undefined ? {} : {cluster}),
    ...(sink === undefined ? {} : {sink}),
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
