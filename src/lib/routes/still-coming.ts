import {isLive, type ServerOutcome, type Verification} from '../apply/driver.js'
import type {Entity} from '../entity/entity.js'
import {entityName} from '../entity/require.js'
import {LatticeError, type ErrorKind} from '../errors.js'

interface StillComing extends Pick<Verification, 'looks'> {
  readonly outcomes: readonly ServerOutcome[]
  readonly pending: NonNullable<Verification['pending']>
}

/** What was handed over is not live everywhere yet and may still become so: nothing is taken back behind it. */
export class StillComingError extends LatticeError {
  readonly kind: ErrorKind

  constructor(entities: readonly Entity[], {outcomes, pending: why, looks = []}: StillComing) {
    const left = outcomes.filter((outcome) => !isLive(outcome))
    const names = entities.map((entity) => `'${entityName(entity)}'`).join(', ')
    const routes = entities.length > 1 ? `routes of ${names} are` : `route of ${names} is`
    const stopped = why === 'interrupted' ? 'The wait was stopped: the' : 'The'
    super(
      `${stopped} ${routes} live on ${outcomes.length - left.length} of ${outcomes.length} servers, and may still become live on the others.`,
      {
        lines: [
          ...left.map(({server, reason = 'no reason given'}) => `${server.name}: ${reason}`),
          'Nothing was taken back, and the record says that the change is on its way.',
          'A file that a server refuses shows only in its log, and when its pod restarts: look there for "Failed to reload".',
        ],
        suggestions: [
          'lattice route verify --wait 3m',
          ...looks,
          ...entities.map((entity) => `lattice route undo ${entityName(entity)}`),
        ],
        details: {
          state: why,
          servers: outcomes.map(({server, outcome, reason}) => ({
            name: server.name,
            outcome,
            ...(reason === undefined ? {} : {reason}),
          })),
        },
      },
    )
    this.kind = why === 'interrupted' ? 'interrupted' : 'partial'
  }
}
