import type {ServerView, TableView} from '../../apply/driver.js'
import {MissingSystemCredentialsError} from '../../nats/system-user.js'
import {compareTables, predictTable, type TokenMappings} from '../../routing/effective.js'
import {endpointsOf} from '../../routing/endpoint.js'
import type {ForeignFindings, LintTarget} from '../../routing/lint-report.js'
import {lintPlans} from '../../routing/lint.js'
import type {MappingPlan} from '../../routing/plan.js'
import {finding, type Finding} from '../../routing/rule-book.js'
import {lintMappings} from '../../routing/rules.js'
import {writtenMappings} from '../../routing/written.js'
import {lowestVersion} from '../preflight/server-versions.js'
import {openReader, type RouteDeps} from '../session.js'
import type {StoredRoute} from '../store/store.js'
import {recordedEntity} from '../target.js'

/** What the rules depend on; default: the lowest version of the servers that answer. */
export interface LintAccountOptions {
  readonly serverVersion?: string | undefined
}

/**
 * The findings in the mappings that the account has now. Those about mappings that lattice did not record are only
 * counted. Throws a MissingSystemCredentialsError where mappings are not visible.
 */
export async function lintAccount(deps: RouteDeps, options: LintAccountOptions): Promise<LintedAccount> {
  const {spec} = deps
  const {store, view} = await openReader(deps)
  if (view === undefined) throw new MissingSystemCredentialsError(spec)
  const stored = await store.list({readable: true})
  const serverVersion = options.serverVersion ?? lowestVersion(view)
  const judged = judgeTable(view, sourcesOf(spec.lattice, stored), {serverVersion, inboxPrefix: spec.inboxPrefix})
  return {
    target: {input: 'account', form: 'account', ...judged},
    ...(serverVersion === undefined ? {} : {serverVersion}),
  }
}

/** The live account, judged; and by which rules. */
export interface LintedAccount {
  readonly target: LintTarget
  readonly serverVersion?: string
}

interface TableOptions extends LintAccountOptions {
  readonly inboxPrefix: string | undefined
}

/** The findings in a table, told in full for these sources and counted for all others. */
export function judgeTable(
  view: TableView,
  ours: ReadonlySet<string>,
  options: TableOptions,
): Pick<LintTarget, 'mappings' | 'findings' | 'foreign'> {
  const table = predictTable(view.mappings)
  // Where accounts are configured, no server has a token of them.
  const configured = view.servers.length > 0 && view.servers.every(({live}) => live?.token === '')
  const form = {...options, form: configured ? ('config' as const) : ('jwt' as const)}
  const plans = Object.entries(view.mappings).filter(([source]) => ours.has(source))
  const own = lintPlans(table, plans.map(planOf), form)
  const all = lintMappings(writtenMappings(view.mappings).mappings, form)
  const foreign = all.filter(({source}) => source !== undefined && !ours.has(source))
  const general = all.filter(({source}) => source === undefined)
  return {
    mappings: table.size,
    findings: [...own, ...general, ...judgeLive(view)],
    ...(foreign.length === 0 ? {} : {foreign: countFindings(foreign)}),
  }
}

/** Servers whose table is not that of the token, by name; which sources differ is not said. */
function judgeLive({mappings, servers}: TableView): Finding[] {
  const asked = predictTable(mappings)
  const differs = ({live}: ServerView): boolean => live !== undefined && compareTables(asked, live.table).length > 0
  return servers.filter(differs).map(({server}) =>
    finding('not-live', 'refuse', {
      sentence: `Server '${server.name}' does not have the table that was asked for.`,
      where: server.name,
    }),
  )
}

function planOf([source, list]: [string, TokenMappings[string]]): MappingPlan {
  const destinations = list.map(({weight, ...destination}) => ({
    ...destination,
    weight: weight === 0 ? 100 : (weight ?? 100),
  }))
  return {source, destinations}
}

function sourcesOf(lattice: string, stored: readonly StoredRoute[]): Set<string> {
  return new Set(
    stored
      .filter(({record}) => record.legs.length > 0)
      .flatMap((route) => endpointsOf(lattice, recordedEntity(route)).map(({source}) => source)),
  )
}

function countFindings(findings: readonly Finding[]): ForeignFindings[] {
  const groups = Map.groupBy(findings, ({rule, level}) => `${level} ${rule}`)
  return [...groups.values()]
    .map((group) => ({rule: group[0]!.rule, level: group[0]!.level, count: group.length}))
    .sort((a, b) => (`${a.level} ${a.rule}` < `${b.level} ${b.rule}` ? -1 : 1))
}
