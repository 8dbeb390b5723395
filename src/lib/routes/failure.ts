import {isLive, type ServerOutcome, type WriteBack} from '../apply/driver.js'
import type {Entity} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {ConflictError, LatticeError, PartialError, ServerError, TimeoutError, UnsafeError} from '../errors.js'
import type {RouteRecord} from '../records/route.js'
import {legLabel, type Leg} from '../routing/weights.js'
import type {RecordState, RouteBefore} from './before.js'

/** The change is live on some servers, or was answered and is not live. */
export class NotLiveError extends PartialError {
  constructor(entities: readonly Entity[], outcomes: readonly ServerOutcome[], back: WriteBack | undefined) {
    const bad = outcomes.filter((outcome) => !isLive(outcome))
    const where = bad.map(({server, reason}) => `${server.name} (${reason ?? 'no reason given'})`).join(', ')
    super(
      `The ${routesOf(entities)} ${entities.length > 1 ? 'are' : 'is'} not live on ${bad.length} of ${outcomes.length} servers: ${where}; ${backText(back)}.`,
      {
        suggestions: showLines(entities),
        details: {...describe(outcomes), ...(back === undefined ? {} : {writtenBack: back})},
      },
    )
  }
}

/** Another tool pushed a token of its own right after ours, without our change in it. */
export class OvertakenError extends ConflictError {
  constructor(entities: readonly Entity[], outcomes: readonly ServerOutcome[], back: WriteBack) {
    super(
      `Another tool replaced the account's mappings while the ${routesOf(entities)} ${entities.length > 1 ? 'were' : 'was'} changed; ${backText(back)}.`,
      {
        suggestions: [...showLines(entities), 'Run the same command again.'],
        details: {...describe(outcomes), writtenBack: back},
      },
    )
  }
}

/** No server took the token. */
export class RefusedPushError extends ServerError {
  constructor(entities: readonly Entity[], outcomes: readonly ServerOutcome[]) {
    const reason = outcomes.find(({outcome}) => outcome === 'refused')?.reason ?? 'no reason given'
    super(`The servers refused the ${routesOf(entities)}, and nothing was changed: ${reason}.`, {
      details: describe(outcomes),
    })
  }
}

/** No server answered when the change was to be verified. */
export class SilentServersError extends TimeoutError {
  constructor() {
    super('No server answered after the change.')
  }
}

/** The push was sent and what became of it could not be found out. */
export class UnknownOutcomeError extends TimeoutError {
  constructor(entities: readonly Entity[], cause: Error) {
    const changed = entities.length > 1 ? 'were changed' : 'was changed'
    super(`Whether the ${routesOf(entities)} ${changed} is unknown: ${cause.message}`, {
      suggestions: [...showLines(entities), 'Run the same command again.'],
      details: {entities: entities.map(({name, key}) => ({entity: name, key}))},
      cause,
    })
  }
}

/** The error for a route that is live and could not be recorded as such; what is no LatticeError stays as it is. */
export function unrecorded(entity: Entity, error: unknown): Error {
  return error instanceof LatticeError ? new UnrecordedError(entity, error) : (error as Error)
}

/** The route is live and its record does not say so. */
export class UnrecordedError extends PartialError {
  constructor(entity: Entity, cause: LatticeError) {
    super(`The route of '${entityName(entity)}' is live, and this could not be recorded: ${cause.message}`, {
      suggestions: [`lattice route show ${entityName(entity)}`, 'Run the same command again.'],
      details: {entity: entity.name, key: entity.key, cause: cause.kind},
      cause,
    })
  }
}

/** What a plan rests on is not there any more, or it would come to something else now. */
export class PlanMovedError extends ConflictError {
  constructor(entity: Entity, moved: readonly string[]) {
    super(`The plan for '${entityName(entity)}' does not hold any more: ${moved.join(' and ')}. Nothing was changed.`, {
      suggestions: [`lattice route show ${entityName(entity)}`, 'Plan again, with the words that made this plan.'],
      details: {entity: entity.name, key: entity.key, moved},
    })
  }
}

/** What is recorded and what is there. */
interface Drift {
  readonly record: RouteRecord | undefined
  readonly before: RouteBefore
}

/** Three ways to see each leg: before our change, as we made it, and as somebody else left it. */
function driftLines(record: RouteRecord | undefined, before: RouteBefore): string[] {
  const [replaced, recorded] = [record?.replaced ?? [], record?.legs ?? []]
  const live = before.legs ?? []
  const labels = [...new Set([...replaced, ...recorded, ...live].map(legLabel))]
  const weight = (legs: readonly Leg[], label: string): string => {
    const leg = legs.find((one) => legLabel(one) === label)
    return leg === undefined ? '-' : `${leg.weight} %`
  }
  const foreign = before.mappings.flatMap(({source, destinations = []}) =>
    before.legs === undefined ? destinations.map((one) => `  live: ${source} ${one.weight} % to ${one.subject}`) : [],
  )
  return [
    ...labels.map((label) => {
      const own =
        record === undefined ? '' : `before ${weight(replaced, label)}, lattice made ${weight(recorded, label)}, `
      return `  ${label}: ${own}live ${weight(live, label)}`
    }),
    ...foreign,
  ]
}

/** The live mapping is not the one that lattice applied; rule 10. */
export class DriftedRouteError extends UnsafeError {
  constructor(entity: Entity, state: RecordState & ('drifted' | 'foreign'), {record, before}: Drift) {
    super(
      state === 'foreign'
        ? `The source of '${entityName(entity)}' has a mapping that lattice did not make.`
        : `The mapping of '${entityName(entity)}' is not the one that lattice applied last.`,
      {
        suggestions: [`lattice route show ${entityName(entity)}`, '--repair   (replace what is there)'],
        details: {
          entity: entity.name,
          key: entity.key,
          state,
          ...(record === undefined ? {} : {replaced: record.replaced, recorded: record.legs}),
          live: before.legs ?? null,
          mappings: before.mappings,
        },
        lines: driftLines(record, before),
      },
    )
  }
}

function routesOf(entities: readonly Entity[]): string {
  return `${entities.length > 1 ? 'routes' : 'route'} of ${entities.map((entity) => `'${entityName(entity)}'`).join(', ')}`
}

function showLines(entities: readonly Entity[]): string[] {
  return entities.map((entity) => `lattice route show ${entityName(entity)}`)
}

function backText(back: WriteBack | undefined): string {
  switch (back) {
    case undefined:
      return 'it stays where it is live'
    case 'written':
      return 'the previous route was written back'
    case 'not needed':
      return 'the previous route is live again'
    case 'foreign':
      return 'the mapping that it gave the same source was left alone'
    case 'failed':
      return 'and writing the previous route back failed as well'
  }
}

function describe(outcomes: readonly ServerOutcome[]): Record<string, unknown> {
  return {
    servers: outcomes.map(({server, outcome, reason}) => ({
      name: server.name,
      outcome,
      ...(reason === undefined ? {} : {reason}),
    })),
  }
}
