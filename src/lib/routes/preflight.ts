import {z} from 'zod'

import {runningVersions, type Entity} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {UnsafeError} from '../errors.js'
import type {Monitoring} from '../nats/system.js'
import {covers} from '../observe/subjects.js'
import {allowable} from '../routing/allow.js'
import {predictTable, type MappingTable} from '../routing/effective.js'
import {endpointsOf, type Endpoint} from '../routing/endpoint.js'
import {lintPlans, type Finding} from '../routing/lint.js'
import {isLiteralSubject, subjectsOverlap} from '../routing/subject.js'
import {changesOf, type ChangeOptions, type ChangePlan} from './draft.js'
import type {Session} from './session.js'
import {lowestVersion} from './server-versions.js'
import {judgeSinks} from './sinks.js'

/** One subscription as a server lists it. */
export interface Subscriber {
  readonly subject: string
  readonly queue?: string
}

const pageSize = 1024

/** Subscriptions of the account that a message on the subject, or on one of a pattern, would reach, on all servers. */
export async function readSubscribers(
  system: Monitoring,
  {account, subject}: {readonly account: string; readonly subject: string},
): Promise<Subscriber[]> {
  // Servers test literal subjects only; for a pattern all subscriptions are looked through.
  const test = isLiteralSubject(subject) ? {test: subject} : {}
  const found: Subscriber[] = []
  for (let offset = 0; ; offset += pageSize) {
    const body = {account, subscriptions: true, ...test, limit: pageSize, offset}
    const pages = (await system.ask('SUBSZ', body)).map(
      ({data}) => subszSchema.parse(data ?? {}).subscriptions_list ?? [],
    )
    const reached = pages.flat().filter((one) => subjectsOverlap(one.subject, subject))
    found.push(...reached.map(({subject: pattern, qgroup}) => ({subject: pattern, ...(qgroup && {queue: qgroup})})))
    if (pages.every(({length}) => length < pageSize)) return found
  }
}

/** Everything that speaks against one of the plans that change together: guards of the table, and legs without live subscribers. */
export async function findProblems(session: Session, plan: ChangePlan, all: readonly ChangePlan[]): Promise<Finding[]> {
  const {deps, driver, lattice, view} = session
  const {entity, legs} = plan.wanted
  const others = all.filter((other) => other !== plan)
  const guards = lintPlans(tableWith(predictTable(view.mappings), others), plan.mappings, {
    form: driver.name,
    inboxPrefix: deps.spec.inboxPrefix,
    serverVersion: lowestVersion(view),
  })
  const versions = [...new Set(legs.filter(({sink}) => sink !== true).map(({version}) => version))]
  const findings = await Promise.all(
    (legs.length === 0 ? [] : endpointsOf(lattice, entity)).flatMap((endpoint) =>
      versions.map((version) => judgeLeg(session, {entity, version, endpoint})),
    ),
  )
  return [...findings.flat(), ...(await judgeSinks(session, plan)), ...guards]
}

/** The table as it will be with the other plans, for what one means to another. */
function tableWith(table: MappingTable, plans: readonly ChangePlan[]): MappingTable {
  const changed = new Map(table)
  for (const {source, destinations} of plans.flatMap(changesOf)) {
    if (destinations === undefined) changed.delete(source)
    else changed.set(source, destinations)
  }
  return changed
}

/** Throws a RefusedRouteError that names every rule the plans break, but for those that were switched off by name. */
export function refuseProblems(
  plans: readonly {readonly entity: Entity; readonly findings: readonly Finding[]}[],
  {allow = []}: Pick<ChangeOptions, 'allow'>,
): void {
  const refused = plans
    .map(({entity, findings}) => ({
      entity,
      findings: findings.filter(({level, rule}) => level === 'refuse' && !allow.includes(rule)),
    }))
    .filter(({findings}) => findings.length > 0)
  if (refused.length > 0) throw new RefusedRouteError(refused)
}

interface LegQuestion {
  readonly entity: Entity
  readonly version: string
  readonly endpoint: Endpoint
}

/** Wildcard taps watch and do not answer; another group on the very subject would get a copy of each message. */
async function judgeLeg(
  {system, account}: Session,
  {entity, version, endpoint: {queue, ...endpoint}}: LegQuestion,
): Promise<Finding[]> {
  const address = endpoint.addressOf(version)
  if (address === undefined) return []
  const pattern = address.replace(/\$\d+|\{\{.*?\}\}/g, '*')
  const subscribers = await readSubscribers(system, {account, subject: pattern})
  const leg = `${entity.kind === 'subject' ? entity.name : entityName(entity)}@${version}`
  const answering = subscribers.filter((one) =>
    queue === undefined ? one.queue !== undefined || covers(pattern, one.subject) : one.queue === queue,
  )
  if (answering.length > 0) {
    const groups = new Set(subscribers.flatMap((one) => (one.queue === undefined ? [] : [one.queue])))
    return [...groups]
      .filter((group) => group !== queue && groups.size > 1 && group !== answering[0]!.queue)
      .map((other) => ({
        rule: 'other-queue',
        level: 'warn',
        sentence: `Queue group '${other}' listens to '${leg}' too, and gets a copy of each of its messages.`,
      }))
  }
  const runs = runningVersions(entity).some((running) => running === version)
  const wrong = subscribers.find((one) => one.queue !== undefined)?.queue
  const sentence =
    wrong !== undefined
      ? `The subscribers of '${leg}' are in queue group '${wrong}' and not in that of '${entityName(entity)}'.`
      : entity.kind === 'subject' || entity.kind === 'service'
        ? `Nobody listens on '${address}', where '${leg}' should.`
        : runs
          ? `Nobody listens on the subject of '${leg}', although it runs: its hosts do not speak versioned RPC.`
          : `Nobody runs '${leg}'.`
  return [{rule: 'no-subscriber', level: 'refuse', sentence}]
}

/** The change breaks a safety rule, or several. */
export class RefusedRouteError extends UnsafeError {
  constructor(refused: readonly {readonly entity: Entity; readonly findings: readonly Finding[]}[]) {
    const all = refused.flatMap(({findings}) => findings)
    const named = refused.filter(({entity}) => runningVersions(entity).length > 0)
    const words = new Set(all.flatMap(({rule}) => allowable.filter((word) => word === rule)))
    super(all.map(({sentence}) => sentence).join(' '), {
      suggestions: [
        ...(named.length > 0
          ? named.map(({entity}) => `lattice entity inspect ${entityName(entity)}`)
          : ['lattice entity ls']),
        ...[...words].map((word) => `--allow ${word}   (switches off this rule alone)`),
      ],
      details: {
        entity: refused[0]!.entity.name,
        key: refused[0]!.entity.key,
        running: runningVersions(refused[0]!.entity),
        findings: all,
      },
    })
  }
}

const subszSchema = z.object({
  subscriptions_list: z.array(z.object({subject: z.string(), qgroup: z.string().optional()})).nullish(),
})
