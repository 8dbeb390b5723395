import {runningVersions, type Entity} from '../../entity/entity.js'
import {entityName} from '../../entity/require.js'
import type {Version} from '../../entity/version.js'
import {endpointsOf, type Endpoint} from '../../routing/endpoint.js'
import {finding, type Finding} from '../../routing/rule-book.js'
import {covers, patternOf, subjectsOverlap} from '../../routing/subject.js'
import type {ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {translateSubject} from './imported-subject.js'
import {readSubscribers, type Subscriber} from './subscribers.js'
import type {LeafNode, Surroundings} from './surroundings.js'

/** A leg of one endpoint, with who hears it. */
interface HeardLeg {
  readonly version: Version
  /** As it is written in sentences. */
  readonly name: string
  readonly address: string
  /** The subjects that the address can become. */
  readonly pattern: string
  readonly subscribers: readonly Subscriber[]
}

/** Who listens where, on every server: legs that nobody serves, or that others hear too. */
export async function judgeLegs(
  session: Session,
  {wanted: {entity, legs}}: ChangePlan,
  around: Promise<Surroundings>,
): Promise<Finding[]> {
  const versions = [...new Set(legs.filter(({sink}) => sink !== true).map(({version}) => version))]
  if (legs.length === 0) return []
  const found = await Promise.all(
    endpointsOf(session.lattice, entity).map(async (endpoint) => {
      const heard = await Promise.all(versions.map((version) => hearLeg(session, {entity, endpoint, version}, around)))
      const known = heard.filter((leg) => leg !== undefined)
      const {leaves = []} = await around
      return [
        ...known.flatMap((leg) => judgeLeg(leg, {entity, endpoint, leaves})),
        ...judgeWide(known),
        ...judgeIncumbent(endpoint, known),
      ]
    }),
  )
  return found.flat()
}

async function hearLeg(
  {system, account}: Session,
  {entity, endpoint, version}: {readonly entity: Entity; readonly endpoint: Endpoint; readonly version: Version},
  around: Promise<Surroundings>,
): Promise<HeardLeg | undefined> {
  const address = endpoint.addressOf(version)
  if (address === undefined) return undefined
  const pattern = patternOf(address)
  const name = `${entity.kind === 'subject' ? entity.name : entityName(entity)}@${version}`
  const own = await readSubscribers(system, {account, subject: pattern})
  const imports = (await around).imports.filter(({local}) => subjectsOverlap(local, pattern))
  // The server itself listens where something is imported; who answers is in the account that exports it.
  const here = own.filter(({subject, queue}) => queue !== undefined || !imports.some(({local}) => local === subject))
  const there = await Promise.all(
    imports.map(async ({account: exporter, subject, local}) => {
      const asked = translateSubject(pattern, local, subject)
      const found = asked === undefined ? [] : await readSubscribers(system, {account: exporter, subject: asked})
      return found.map((one) => ({...one, subject: translateSubject(one.subject, subject, local) ?? one.subject}))
    }),
  )
  return {version, name, address, pattern, subscribers: [...here, ...there.flat()]}
}

interface LegContext {
  readonly entity: Entity
  readonly endpoint: Endpoint
  readonly leaves: readonly LeafNode[]
}

/** Wildcard taps watch and do not answer; another group on the very subject would get a copy of each message. */
function judgeLeg({name, address, pattern, subscribers}: HeardLeg, context: LegContext): Finding[] {
  const {entity, endpoint, leaves} = context
  const {queue, source} = endpoint
  const answering = subscribers.filter((one) =>
    queue === undefined ? one.queue !== undefined || covers(pattern, one.subject) : one.queue === queue,
  )
  const groups = [...new Set(subscribers.flatMap((one) => (one.queue === undefined ? [] : [one.queue])))]
  if (answering.length > 0) {
    const plain = subscribers.filter((one) => one.queue === undefined && covers(pattern, one.subject)).length
    const copies = groups.filter((group) => group !== queue && groups.length > 1 && group !== answering[0]!.queue)
    return [
      ...copies.map((other) => {
        const sentence = `Queue group '${other}' listens to '${name}' too, and gets a copy of each of its messages.`
        return finding('other-queue', 'warn', {source, sentence})
      }),
      ...(plain + groups.length > 1 && plain > 0 ? [everyInstance(plain, {name, source})] : []),
    ]
  }
  const behind = leaves.filter(({subjects}) => subjects.some((subject) => covers(pattern, subject)))
  if (behind.length > 0) {
    const nodes = behind.map((leaf) => `'${leaf.name}'`).join(', ')
    const sentence = `Only subscribers behind the leaf node ${nodes} listen on '${address}', where '${name}' should.`
    return [finding('leaf-leg', 'warn', {source, sentence})]
  }
  const runs = runningVersions(entity).some((running) => `${entityName(entity)}@${running}` === name)
  const sentence =
    queue !== undefined && groups.length > 0
      ? `The subscribers of '${name}' are in queue group '${groups[0]!}' and not in that of '${entityName(entity)}'.`
      : entity.kind === 'subject' || entity.kind === 'service'
        ? `Nobody listens on '${address}', where '${name}' should.`
        : runs
          ? `Nobody listens on the subject of '${name}', although it runs: its hosts do not speak versioned RPC.`
          : `Nobody runs '${name}'.`
  return [finding('no-subscriber', 'refuse', {source, sentence})]
}

function everyInstance(plain: number, {name, source}: {readonly name: string; readonly source: string}): Finding {
  const sentence =
    plain === 1
      ? `One subscriber of '${name}' is in no queue group, so it gets every message too.`
      : `${plain} subscribers of '${name}' are in no queue group, so each of them gets every message.`
  return finding('every-instance', 'warn', {source, sentence})
}

/**
 * Members of a queue group whose wildcard takes in more than one leg: what they get is not one version's. Where only one
 * leg is known, it is in doubt whose they are.
 */
function judgeWide(legs: readonly HeardLeg[]): Finding[] {
  const wide = new Map<string, {readonly subject: string; readonly queue: string; readonly heard: HeardLeg[]}>()
  for (const leg of legs) {
    for (const {subject, queue} of leg.subscribers) {
      if (queue === undefined || covers(leg.pattern, subject)) continue
      const key = `${queue} ${subject}`
      const {heard} = wide.get(key) ?? wide.set(key, {subject, queue, heard: []}).get(key)!
      if (!heard.includes(leg)) heard.push(leg)
    }
  }
  return [...wide.values()].flatMap(({subject, queue, heard}) => {
    const names = heard.map(({name}) => `'${name}'`).join(' and ')
    const sentence = `Subscribers on '${subject}' in queue group '${queue}' take part of the messages of ${names}.`
    if (heard.length > 1) return [finding('shared-leg', 'refuse', {sentence})]
    const among = heard[0]!.subscribers.some((one) => one.queue === queue && covers(heard[0]!.pattern, one.subject))
    return among ? [finding('shared-leg', 'warn', {sentence})] : []
  })
}

/**
 * Where one version listens on the source itself, connections of another version must not. Where everybody on the source
 * also serves the other version, it may as well be one process that serves both.
 */
function judgeIncumbent({source}: Endpoint, legs: readonly HeardLeg[]): Finding[] {
  const incumbent = legs.find(({pattern}) => pattern === source)
  if (incumbent === undefined) return []
  const onSource = answeringConnections(incumbent)
  return legs.flatMap((leg): Finding[] => {
    const both = [...answeringConnections(leg)].filter((connection) => onSource.has(connection)).length
    if (leg === incumbent || both === 0) return []
    const sure = both < onSource.size
    const sentence = sure
      ? `Subscribers of '${leg.name}' listen on '${source}' too, where only those of '${incumbent.name}' should.`
      : `Whoever listens on '${source}' serves '${leg.name}' too, so it cannot be seen that only '${incumbent.name}' answers there.`
    return [finding('source-shared', sure ? 'refuse' : 'warn', {source, sentence})]
  })
}

function answeringConnections({pattern, subscribers}: HeardLeg): Set<string> {
  const own = subscribers.filter(({subject}) => covers(pattern, subject))
  return new Set(own.flatMap(({connection}) => connection ?? []))
}
