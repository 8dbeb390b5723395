import type {Ability} from './needs.js'
import type {Lack, Level} from './permissions.js'

/** The questions of a check, in the order in which they are answered. */
export const questions = [
  'server',
  'cluster',
  'rtt',
  'tls',
  'clock',
  'account',
  'user',
  'token',
  'cache',
  'control',
  'calls',
  'routes',
  'jetstream',
  'bucket',
  'hosts',
  'system',
  'operatorKey',
  'clusterSeed',
] as const
export type Question = (typeof questions)[number]

/**
 * `missing`: something that is wanted will fail. `warning`: it works, and somebody should look at it. `notNeeded`:
 * nothing that is wanted uses it. `unknown`: it could not be found out.
 */
export type State = 'ok' | 'missing' | 'warning' | 'notNeeded' | 'unknown'

/** The answer to one question; several answers may be to the same one. */
export interface Answer {
  readonly check: Question
  readonly state: State
  /** A few words, without a full stop. */
  readonly detail: string
  /** Permissions that an ability needs and the user does not have. */
  readonly lacks?: readonly Lack[]
  /** Lines to run or things to do, the best first. */
  readonly fix?: readonly string[]
}

/** What was found out, for scripts. */
export interface Facts {
  readonly server: {
    readonly url: string
    readonly id: string
    readonly name: string
    readonly version: string
    readonly cluster?: string
    readonly rttMs: number
    readonly tls?: {readonly protocol?: string; readonly certificateExpires?: string}
    /** Server time minus ours. */
    readonly clockOffsetMs?: number
  }
  readonly user: {
    /** Public key or user name that the server knows. */
    readonly id?: string
    readonly name?: string
    readonly account?: string
    readonly accountName?: string
    readonly tokenExpires?: string
    /** Who said what the user may do. */
    readonly permissionsFrom: 'server' | 'token' | 'nobody'
  }
  readonly jetstream?: JetStreamFacts
  readonly buckets: readonly BucketFacts[]
  /** Hosts that answered, of whichever dialect; absent when nobody could be asked. */
  readonly hosts?: number
  /** Servers that answered the system account. */
  readonly systemServers?: readonly {readonly name: string; readonly id: string; readonly version: string}[]
  /** Public key `O…` that would sign route changes. */
  readonly operatorKey?: string
  /** Public key `C…` that calls are signed with. */
  readonly clusterKey?: string
}

/** Amounts of an account's JetStream; a limit is absent where there is none. */
export interface JetStreamFacts {
  readonly domain?: string
  readonly apiLevel?: number
  readonly storage: Usage
  readonly memory: Usage
  readonly streams: Usage
  readonly consumers: Usage
}

export interface Usage {
  readonly used: number
  readonly limit?: number
}

export interface BucketFacts {
  readonly name: string
  readonly present: boolean
  readonly messages?: number
  readonly bytes?: number
  readonly replicas?: number
}

/** What an ability publishes and subscribes to as far as it is wanted: the least that its user must be allowed. */
export interface AbilityNeeds {
  readonly ability: Ability
  readonly level: Level
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** The outcome of a whole check. */
export interface CheckReport extends Facts {
  readonly context?: string
  readonly lattice: string
  /** False when something that is wanted is missing. */
  readonly complete: boolean
  readonly checks: readonly Answer[]
  readonly needs: readonly AbilityNeeds[]
}

/** What one part of a check found. */
export interface Found {
  readonly answers: readonly Answer[]
  readonly facts?: Partial<Facts>
}
