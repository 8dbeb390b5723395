import type {Entity} from '../../entity/entity.js'
import {entityName, shellWord, versionName} from '../../entity/require.js'
import {UnsafeError} from '../../errors.js'
import {endpointsOf} from '../../routing/endpoint.js'
import {covers, patternOf} from '../../routing/subject.js'
import type {Leg} from '../../routing/weights.js'
import {mainSource, readBefore} from '../before.js'
import {readSubscribers} from '../preflight/subscribers.js'
import {lightVersions} from '../result.js'
import type {Session} from '../session.js'

/** What "no mapping" comes to for an entity. */
export interface Unmapped {
  /** Empty, or the one leg at 100 that has to stay. */
  readonly legs: readonly Leg[]
  /** Why a leg stays. */
  readonly reason?: string
  readonly warnings?: readonly string[]
}

export interface UnmapOptions {
  /** Several versions may share the source. */
  readonly share: boolean
  /** The command that asks for it. */
  readonly command: string
  /** No mapping is what was there before, so that a version without traffic gets it is meant. */
  readonly back?: boolean
}

/**
 * Decides what removing the mapping of an entity may come to: refused while several versions would share the source,
 * unless `share`; and while nobody who has traffic listens on the source, the heaviest leg stays at 100.
 */
export async function planUnmapped(
  session: Session,
  entity: Entity,
  {share, command, back = false}: UnmapOptions,
): Promise<Unmapped> {
  const {lattice, view} = session
  const before = readBefore(view, lattice, entity)
  if (!before.mapped) return {legs: []}
  const light = lightVersions(entity)
  const unknown = entity.instances.some(({dark, version}) => !dark && version === undefined)
  if (light.length + (unknown ? 1 : 0) > 1 && !share) throw new SharedSourceError(entity, before.legs ?? [], command)
  const name = entityName(entity)
  const [heaviest] = [...(before.legs ?? [])].sort((a, b) => b.weight - a.weight)
  if (await isServed(session, entity)) {
    const surprise = light.filter((version) => !before.legs?.some((leg) => leg.version === version))
    if (heaviest !== undefined && !back && surprise.length > 0 && surprise.length === light.length) {
      return {
        legs: [{version: heaviest.version, weight: 100}],
        reason: `Version ${surprise.join(', ')} listens on the source of '${name}' and has no traffic now, so version ${heaviest.version} stays at 100 %.`,
      }
    }
    return {
      legs: [],
      ...(surprise.length > 0 && {
        warnings: [`All traffic goes to '${name}@${surprise.join(', ')}', which has none now.`],
      }),
    }
  }
  if (heaviest === undefined) {
    throw new UnsafeError(
      `Nobody listens on the source of '${name}' itself, so without the mapping its callers reach nobody.`,
      {
        suggestions: [`lattice entity inspect ${name}`],
        details: {entity: entity.name, key: entity.key, source: mainSource(lattice, entity)},
      },
    )
  }
  if (!(await isHeard(session, entity, heaviest.version))) {
    return {legs: [], warnings: [`Nobody listens for '${name}' at all: neither on the source nor on a leg.`]}
  }
  return {
    legs: [{version: heaviest.version, weight: 100}],
    reason: `Nobody listens on the source of '${name}' itself, so version ${heaviest.version} stays at 100 %.`,
  }
}

/** True when every source has somebody who answers; who listens in no queue group, or to more, watches. */
async function isServed({system, account, lattice}: Session, entity: Entity): Promise<boolean> {
  const served = await Promise.all(
    endpointsOf(lattice, entity).map(async ({source}) => {
      const subscribers = await readSubscribers(system, {account, subject: source})
      const plain = entity.kind === 'subject' || entity.kind === 'service'
      return subscribers.some(({subject, queue}) => covers(source, subject) && (plain || queue !== undefined))
    }),
  )
  return served.every(Boolean)
}

/** True when anybody listens on the address of a version; a leg to nobody is worth no mapping. */
async function isHeard({system, account, lattice}: Session, entity: Entity, version: string): Promise<boolean> {
  const subjects = endpointsOf(lattice, entity).flatMap(({addressOf}) => addressOf(version) ?? [])
  const heard = await Promise.all(
    subjects.map((subject) => readSubscribers(system, {account, subject: patternOf(subject)})),
  )
  return heard.some((subscribers) => subscribers.length > 0)
}

/** Without the mapping several versions would share the traffic by chance; rule 2. */
export class SharedSourceError extends UnsafeError {
  constructor(entity: Entity, legs: readonly Leg[], command: string) {
    const versions = lightVersions(entity)
    const name = entityName(entity)
    const idle = versions.filter((version) => !legs.some((leg) => leg.version === version))
    super(
      `Without a mapping the versions ${versions.join(', ')} of '${name}' would share its traffic by their number of subscribers.`,
      {
        suggestions: [
          ...versions.map((version) => `lattice route bluegreen ${name} --to ${shellWord(version)}`),
          ...idle.map((version) => `lattice stop ${versionName(entity, version)}`),
          `${command} --share`,
        ],
        details: {entity: entity.name, key: entity.key, versions},
      },
    )
  }
}
