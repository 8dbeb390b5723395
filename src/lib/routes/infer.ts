import {runningVersions, type Entity, type EntityRef} from '../entity/entity.js'
import {entityName, requireEntity, shellWord, versionName} from '../entity/require.js'
import {isSemver, type Version} from '../entity/version.js'
import {AmbiguousError, NotFoundError, UsageError} from '../errors.js'
import {checkLegs, type AskedSplit, type Leg} from '../routing/weights.js'
import type {ServiceEntity} from '../services/service.js'
import type {DeclaredService} from '../services/services-file.js'

/** An entity with the legs that are wanted for it. */
export interface WantedSplit {
  readonly entity: Entity
  readonly legs: readonly Leg[]
  /** The command that says in full what was inferred; undefined when nothing was. */
  readonly explicit?: string
}

/** What was written besides the split itself. */
export interface SplitHints {
  readonly entity?: EntityRef | undefined
  readonly versions?: readonly Version[] | undefined
}

/** What may be named in a lattice. */
export interface Known {
  readonly lattice: string
  readonly entities: readonly Entity[]
  /** The micro services among them, with what is needed to route them. */
  readonly services?: readonly ServiceEntity[]
  /** What the account listens on behind their wildcard sources; undefined where nobody may look. */
  readonly heard?: readonly string[]
  /** The services among them that only a file knows. */
  readonly declared?: readonly DeclaredService[]
  /** Those of them that nobody is seen to run: they have to be named. */
  readonly idle?: readonly Entity[]
}

/**
 * Finds entity and versions of a split. They are inferred only when exactly one entity has exactly two versions, both
 * semver, the oldest first; anything else is refused with the commands that would do it.
 */
export function inferSplit(asked: AskedSplit, hints: SplitHints, known: Known): WantedSplit {
  if (asked.kind === 'legs') {
    if (hints.entity !== undefined || hints.versions !== undefined) {
      throw new UsageError('Legs name their entity and versions already.', {
        suggestions: ['lattice route ab 70/30 --entity echo --versions 1.0.0,2.0.0'],
      })
    }
    return {entity: requireEntity(asked.entity, known.entities, known.lattice), legs: checkLegs(asked.legs)}
  }
  const {weights} = asked
  if (hints.versions !== undefined && hints.versions.length !== weights.length) {
    throw new UsageError(`${weights.length} weights do not fit ${hints.versions.length} versions.`)
  }
  const entity =
    hints.entity === undefined
      ? inferEntity(weights, known)
      : requireEntity(hints.entity, known.entities, known.lattice)
  const versions = hints.versions ?? inferVersions(entity, weights)
  const legs = versions.map((version, index) => ({version, weight: weights[index]!}))
  const inferred = hints.entity === undefined || hints.versions === undefined
  return {entity, legs: checkLegs(legs), ...(inferred ? {explicit: splitCommand(entity, legs)} : {})}
}

/** Finds the entity of a cutover: the one that was named, else the only one that has several versions or runs this one. */
export function inferCutover(
  to: Version,
  ref: EntityRef | undefined,
  known: Known,
  words = (name: string): string => `bluegreen ${name} --to ${shellWord(to)}`,
): WantedSplit {
  const legs = [{version: to, weight: 100}]
  if (ref !== undefined) return {entity: requireEntity(ref, known.entities, known.lattice), legs}
  if (known.entities.length === 1 && known.entities[0]!.kind === 'subject') return {entity: known.entities[0]!, legs}
  const running = known.entities.filter((entity) => runningVersions(entity).includes(to))
  const several = known.entities.filter((entity) => runningVersions(entity).length > 1)
  const both = running.filter((entity) => several.includes(entity))
  const candidates = [both, several, running].find(({length}) => length > 0) ?? []
  const command = (entity: Entity): string => `lattice route ${words(entityName(entity))}`
  const entity = oneOf(candidates, known, command)
  return {entity, legs, explicit: command(entity)}
}

/** The command that makes a split, with nothing left to infer. */
export function splitCommand(entity: Entity, legs: readonly Leg[]): string {
  return `lattice route ab ${legs.map(({version, weight}) => `${versionName(entity, version)}=${weight}`).join(' ')}`
}

function inferEntity(weights: readonly number[], known: Known): Entity {
  const several = known.entities.filter((entity) => runningVersions(entity).length > 1)
  const two = several.filter((entity) => runningVersions(entity).length === 2)
  if (several.length === 0 && known.entities.length > 0) throw new NothingToSplitError(known)
  return oneOf(two.length > 0 ? two : several, known, (entity) => pairCommands(entity, weights)[0]!)
}

/** The only candidate; else an error with the command for each. */
export function oneOf(candidates: readonly Entity[], {lattice}: Known, command: (entity: Entity) => string): Entity {
  if (candidates.length === 1) return candidates[0]!
  if (candidates.length === 0) {
    throw new NotFoundError(`Nothing runs in lattice '${lattice}', so there is no traffic to split.`, {
      suggestions: ['lattice host ls', 'lattice entity ls'],
      details: {lattice},
    })
  }
  throw new AmbiguousError(`${candidates.length} entities run in lattice '${lattice}' and none was named.`, {
    suggestions: candidates.map(command),
    details: {lattice, candidates: candidates.map(entityName)},
  })
}

function inferVersions(entity: Entity, weights: readonly number[]): Version[] {
  const versions = runningVersions(entity)
  const details = {entity: entity.name, key: entity.key, versions}
  const name = entityName(entity)
  if (versions.length < 2) {
    throw new NotFoundError(
      `'${name}' runs in ${versions.length === 1 ? `version ${versions[0]!} only` : 'no known version'}, so there is nothing to split.`,
      {
        suggestions: [
          'lattice start ARTIFACT --dark',
          ...versions.map((version) => `lattice route bluegreen ${name} --to ${shellWord(version)}`),
        ],
        details,
      },
    )
  }
  const commands = pairCommands(entity, weights)
  if (versions.length > 2 || weights.length !== 2) {
    throw new AmbiguousError(
      `'${name}' runs in ${versions.length} versions (${versions.join(', ')}), and ${weights.length} weights do not say which of them are meant.`,
      {
        suggestions: commands,
        details,
      },
    )
  }
  if (versions.every(isSemver)) return versions
  throw new AmbiguousError(
    `The versions of '${name}' (${versions.join(', ')}) are not both semver, so which is the older one is unknown.`,
    {
      suggestions: commands,
      details,
    },
  )
}

/** Commands to paste: each pair of neighbouring versions, and for two versions both orders. */
function pairCommands(entity: Entity, weights: readonly number[]): string[] {
  const versions = runningVersions(entity)
  const fitting = weights.length === versions.length && weights.length > 2 ? [versions] : pairs(versions)
  return fitting.map((choice) => {
    const split = weights.length === choice.length ? weights : [50, 50]
    return splitCommand(
      entity,
      choice.map((version, index) => ({version, weight: split[index]!})),
    )
  })
}

function pairs(versions: readonly Version[]): Version[][] {
  if (versions.length === 2) return [[...versions], versions.toReversed()]
  return versions.slice(1).map((version, index) => [versions[index]!, version])
}

/** No entity of the lattice runs in more than one version. */
export class NothingToSplitError extends NotFoundError {
  constructor({lattice, entities}: Known) {
    const running = entities.map((entity) => `${entityName(entity)} ${runningVersions(entity).join(', ') || '?'}`)
    super(`Nothing in lattice '${lattice}' runs in two versions, so there is nothing to split.`, {
      suggestions: ['lattice start ARTIFACT --dark', 'lattice entity ls'],
      details: {lattice, running},
    })
  }
}
