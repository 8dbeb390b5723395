import {runningVersions, type Entity} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import {UnsafeError} from '../../errors.js'
import {allowable} from '../../routing/allow.js'
import type {Finding} from '../../routing/rule-book.js'
import {patternOf} from '../../routing/subject.js'
import type {ChangeOptions, ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {judgeSurroundings} from './around.js'
import {judgeCallers, readCallers} from './callers.js'
import {judgeDoubled} from './doubled.js'
import {judgeLegs} from './legs.js'
import {judgeManaged} from './managed.js'
import {judgeSinks} from './sinks.js'
import {readSurroundings} from './surroundings.js'
import {judgeTable, judgeToken} from './table.js'

/** What was found before a change. */
export interface Preflight {
  readonly findings: readonly Finding[]
  /** What callers have to be allowed to publish, as far as nothing shows that they are. */
  readonly permissions: readonly string[]
}

/** Everything that speaks against plans that change together, one result a plan; what has to be asked is asked at once. */
export async function examinePlans(session: Session, plans: readonly ChangePlan[]): Promise<Preflight[]> {
  if (plans.length === 0) return []
  const subjects = plans.flatMap(({mappings}) =>
    mappings.flatMap(({source, destinations}) => [source, ...destinations.map((one) => patternOf(one.subject))]),
  )
  const around = readSurroundings(session.system, {account: session.account, subjects})
  const callers = readCallers(session)
  const size = judgeToken(session, plans)
  const managed = judgeManaged(session)
  // Another finding may end the command before these are waited for.
  for (const read of [around, callers, managed]) read.catch(() => undefined)
  return Promise.all(
    plans.map(async (plan) => {
      const [legs, sinks, doubled] = await Promise.all([
        judgeLegs(session, plan, around),
        judgeSinks(session, plan),
        judgeDoubled(session, plan),
      ])
      const {findings, permissions} = judgeCallers(plan, await callers)
      const others = judgeSurroundings(session, plan, await around)
      const guards = [...judgeTable(session, plan, plans), ...(plan === plans[0] ? [...(await managed), ...size] : [])]
      return {findings: soften(plan, [...legs, ...sinks, ...doubled, ...findings, ...others, ...guards]), permissions}
    }),
  )
}

const backwards = ['clear', 'undo', 'restore', 'repair']
const aboutOthers = [
  'exporter',
  'mapped-twice',
  'leaf-subscribers',
  'caller-permission',
  'shared-leg',
  'source-shared',
  'managed-account',
]

/** Going back to what was there is not held up by what held before. */
function soften({wanted: {strategy}}: ChangePlan, findings: readonly Finding[]): Finding[] {
  if (!backwards.includes(strategy)) return [...findings]
  return findings.map((one) => (aboutOthers.includes(one.rule) ? {...one, level: 'warn'} : one))
}

interface Examined {
  readonly entity: Entity
  readonly findings: readonly Finding[]
}

/** Throws a RefusedRouteError that names every rule the plans break, but for those that were switched off by name. */
export function refuseProblems(plans: readonly Examined[], {allow = []}: Pick<ChangeOptions, 'allow'>): void {
  const left = plans.map(({entity, findings}) => ({
    entity,
    findings: findings.filter(({level, rule}) => level !== 'refuse' || !allow.includes(rule)),
  }))
  if (left.some(({findings}) => findings.some(isRefusal))) throw new RefusedRouteError(left)
}

function isRefusal({level}: Finding): boolean {
  return level === 'refuse'
}

/** The change breaks a safety rule, or several. */
export class RefusedRouteError extends UnsafeError {
  constructor(examined: readonly Examined[]) {
    const refused = examined.filter(({findings}) => findings.some(isRefusal))
    const refusals = refused.flatMap(({findings}) => findings.filter(isRefusal))
    const words = new Set(refusals.flatMap(({rule}) => allowable.filter((word) => word === rule)))
    super(refusals.map(({sentence}) => sentence).join(' '), {
      suggestions: [
        ...whereToLook(refused.map(({entity}) => entity)),
        ...new Set(refusals.flatMap(({fix}) => fix ?? [])),
        ...[...words].map((word) => `--allow ${word}   (switches off this rule alone)`),
      ],
      details: {
        entity: refused[0]!.entity.name,
        key: refused[0]!.entity.key,
        running: runningVersions(refused[0]!.entity),
        findings: examined.flatMap(({findings}) => findings),
      },
    })
  }
}

/** Hosts know nothing of a plain subject. */
function whereToLook(refused: readonly Entity[]): string[] {
  const entities = refused.filter(({kind}) => kind !== 'subject')
  const running = entities.filter((entity) => runningVersions(entity).length > 0)
  if (running.length > 0) return running.map((entity) => `lattice entity inspect ${entityName(entity)}`)
  return entities.length > 0 ? ['lattice entity ls'] : []
}
