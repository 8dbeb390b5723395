import {globalAccount} from '../../conf/accounts.js'
import {compareVersions, parseVersion} from '../../entity/version.js'
import {finding, type Finding} from '../../routing/rule-book.js'
import {covers, patternOf, subjectsOverlap} from '../../routing/subject.js'
import {changesOf, type ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {lowestVersion} from './server-versions.js'
import type {Importer, LeafNode, Surroundings} from './surroundings.js'

type Changed = Pick<ChangePlan, 'before' | 'mappings'>

/** What of a session it depends on. */
interface Asked extends Pick<Session, 'view' | 'account'> {
  readonly driver: Pick<Session['driver'], 'name'>
}

/** What other accounts and leaf nodes make of a change. */
export function judgeSurroundings(session: Asked, plan: Changed, around: Surroundings): Finding[] {
  return [
    ...judgeLeaves(session, plan, around),
    ...judgeAnnouncements(session, plan, around),
    ...judgeImporters(session, plan, around.importers),
    ...judgeExporters(plan, around),
  ]
}

/** A leaf whose own server has the mapping as well maps before anybody hears the source. */
function judgeLeaves({view}: Asked, {mappings}: Changed, {leaves, leafCount}: Surroundings): Finding[] {
  if (leaves === undefined) return mappings.length === 0 ? [] : [unseenLeaves(leafCount)]
  const servers = new Set(view.servers.map(({server}) => server.name))
  // Names are unique among servers that know each other: one that has our mapping tells of the connection as well.
  const mapping = new Set(leaves.filter(({name}) => servers.has(name)).flatMap((leaf) => bothEnds(leaf, leaves)))
  return mappings.flatMap(({source}) =>
    leaves.flatMap((leaf): Finding[] => {
      const {name, server, subjects} = leaf
      if (mapping.has(leaf)) return []
      const [exact] = subjects.filter((subject) => covers(source, subject))
      const [wide] = subjects.filter((subject) => subjectsOverlap(source, subject))
      const heard = exact ?? wide
      if (heard === undefined) return []
      const where = `behind the leaf node '${name}' of server '${server}'`
      return exact === undefined
        ? [
            finding('leaf-subscribers', 'warn', {
              source,
              sentence: `Somebody ${where} listens on '${heard}': if that is who answers '${source}', requests from there are handled twice.`,
            }),
          ]
        : [
            finding('leaf-subscribers', 'refuse', {
              source,
              sentence: `Subscribers ${where} listen on '${heard}', so each request from there would be handled twice.`,
            }),
          ]
    }),
  )
}

function unseenLeaves(count: number): Finding {
  const sentence = `What the account's leaf nodes listen on is not visible, and ${count} ${count === 1 ? 'is' : 'are'} connected.`
  const fix = 'Allow the system user to publish to $SYS.REQ.SERVER.PING.LEAFZ.'
  return {...finding('leaf-subscribers', 'warn', {sentence}), fix}
}

/** A connection that both of its servers tell of. */
function bothEnds(leaf: LeafNode, leaves: readonly LeafNode[]): LeafNode[] {
  const {name, server, outgoing} = leaf
  const other = leaves.some((one) => one.name === server && one.server === name && one.outgoing !== outgoing)
  return other ? [leaf] : []
}

/** What the servers of connected leaf nodes do not get to know: the sentence of a new source is that of the change itself. */
function judgeAnnouncements(session: Asked, plan: Changed, {leafCount}: Surroundings): Finding[] {
  const {driver, view, account} = session
  if (leafCount === 0) return []
  const config = driver.name === 'config' && account !== globalAccount
  const below = (version: string): boolean =>
    compareVersions(parseVersion(lowestVersion(view) ?? version), parseVersion(version)) < 0
  return changesOf(plan).flatMap(({source, destinations}): Finding[] => {
    const present = view.servers.some(({live}) => live?.table.has(source))
    const tell = (sentence: string): Finding[] => [finding('leaf-announcement', 'warn', {source, sentence})]
    if (destinations !== undefined && !present && config)
      return tell(`Leaf nodes that are connected now hear of '${source}' only when they connect again.`)
    if (destinations !== undefined && driver.name === 'config' && below('2.9.17'))
      return tell(`Leaf nodes that are connected now keep their old mapping of '${source}' until they connect again.`)
    if (destinations === undefined && present && (config || below('2.10.8')))
      return tell(
        `Requests to '${source}' from connected leaf nodes time out until they connect again, if nobody listens.`,
      )
    return []
  })
}

/** Tokens only: a reload leaves the calls of other accounts alone. */
function judgeImporters({driver}: Asked, plan: Changed, importers: readonly Importer[]): Finding[] {
  const sources = changesOf(plan).map(({source}) => source)
  const calls = importers.flatMap((importer) => {
    const touched = importer.services.filter(({subject}) => sources.some((source) => subjectsOverlap(subject, source)))
    return touched.length === 0 ? [] : [{...importer, services: touched}]
  })
  const twice = calls
    .filter(({services, mapped}) => services.some(({local}) => mapped.some((source) => subjectsOverlap(source, local))))
    .map(({name, services}) => {
      const [{subject, local}] = services as [(typeof services)[0]]
      const called = local === subject ? '' : `, as '${local}'`
      const sentence = `Account '${name}' imports '${subject}' from here${called}, and maps it too: its calls would be split twice.`
      return finding('mapped-twice', 'refuse', {source: sources[0]!, sentence})
    })
  if (driver.name !== 'jwt') return plan.mappings.length === 0 ? [] : twice
  const others = importers.filter(({name}) => !calls.some((one) => one.name === name))
  return [
    ...(plan.mappings.length === 0 ? [] : twice),
    ...calls.map((importer) => callsLost(importer, plan)),
    ...(others.length === 0 ? [] : [othersLost(others)]),
  ]
}

function callsLost({name, services, inFlight}: Importer, {mappings}: Changed): Finding {
  const [{subject}] = services as [(typeof services)[0]]
  const addresses = mappings.flatMap(({destinations}) => destinations.map((one) => `'${patternOf(one.subject)}'`))
  const sentence = `Account '${name}' calls '${subject}' through an import, and each push of this account drops the calls that it has in flight, ${inFlight} at this moment.`
  const found = finding('exporter', mappings.length === 0 ? 'warn' : 'refuse', {sentence})
  if (addresses.length === 0) return found
  const lines = [...new Set(addresses)].join(' and ')
  return {
    ...found,
    fix: `Export ${lines} here, import them into '${name}', and route '${subject}' with a user of '${name}'.`,
  }
}

function othersLost(importers: readonly Importer[]): Finding {
  const waiting = importers.reduce((sum, {inFlight}) => sum + inFlight, 0)
  const [names, verb] = [importers.map(({name}) => `'${name}'`).join(', '), importers.length === 1 ? 's' : '']
  const sentence = `${importers.length === 1 ? 'Account' : 'Accounts'} ${names} import${verb} services from here: calls that are in flight at the change are lost, ${waiting} at this moment.`
  return finding('exporter', 'warn', {sentence})
}

/** The split belongs into the account that imports, so here; the exporter's table applies after ours. */
function judgeExporters({mappings}: Changed, {imports}: Surroundings): Finding[] {
  return mappings.flatMap(({source, destinations}) =>
    imports.flatMap(({account, subject, local, mapped = []}) => {
      const reached = destinations.some((one) => subjectsOverlap(patternOf(one.subject), local))
      if (!reached || !mapped.some((other) => subjectsOverlap(other, subject))) return []
      const sentence = `Account '${account}' maps '${subject}', which '${local}' is imported from: calls would be split twice.`
      return [finding('mapped-twice', 'refuse', {source, sentence})]
    }),
  )
}
