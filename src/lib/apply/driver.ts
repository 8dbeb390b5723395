import {TimeoutError, type LatticeError} from '../errors.js'
import type {ServerIdentity} from '../nats/system.js'
import {predictTable, sameShares, type MappingTable, type TokenMappings} from '../routing/effective.js'
import type {DriverName} from '../routing/driver-names.js'
import type {Destination} from '../routing/plan.js'
import type {Durability} from './durability.js'

/** A change of one source of a mapping table; `undefined` destinations remove the mapping. */
export interface SourceChange {
  readonly source: string
  readonly destinations: readonly Destination[] | undefined
}

/** Changes of several sources, made in one token or one file. */
export type TableChange = readonly SourceChange[]

/** One server as it serves an account. */
export interface ServerView {
  readonly server: ServerIdentity
  /** Undefined where nobody uses the account, so that the server has not loaded it. */
  readonly live?: {
    /** Empty where the account has none. */
    readonly token: string
    readonly table: MappingTable
    readonly expired: boolean
  }
}

/** The mappings of an account at one moment: what its token or file says, and what is live. */
export interface TableView {
  readonly mappings: TokenMappings
  readonly servers: readonly ServerView[]
  /** Of the token or file, as `sha256:…`: what compare-and-set rests on. */
  readonly digest: string
  /** False where some server stores another state than the newest: it would come back with that. */
  readonly agreed?: boolean
  /** True where nobody can be asked what servers have: the mappings are what somebody else was told to give them. */
  readonly unseen?: boolean
}

/** How one server stands to a change. */
export interface ServerOutcome {
  readonly server: Pick<ServerIdentity, 'name' | 'id'>
  /**
   * `applied`: the whole table is live there. `stored`: nobody uses the account there, and the new table is what it will
   * load. `differs`: another table is live. `refused`: it said no. `missing`: it did not answer. `unverified`: nothing
   * shows what it does.
   */
  readonly outcome: 'applied' | 'stored' | 'differs' | 'refused' | 'missing' | 'unverified'
  /** Why, where it is neither applied nor stored. */
  readonly reason?: string
}

/** What every server makes of a change. */
export interface Verification {
  readonly outcomes: readonly ServerOutcome[]
  /** True when another tool replaced the token or file after us. */
  readonly overtaken: boolean
  /** Why the wait ended, where what is missing may still become live by itself; then nothing is taken back. */
  readonly pending?: 'late' | 'interrupted'
  /** Lines that show more of what is missing then. */
  readonly looks?: readonly string[]
  /** When the last server had it, where that is later than the answers to what was sent; milliseconds since the epoch. */
  readonly confirmedAt?: number
  /** How long that took from the start. */
  readonly tookMs?: number
}

/** A change that was handed to the servers. Nothing is live for sure until `verify` said so. */
export interface Applied {
  readonly before: TableView
  /** From the first request to the last server's answer, in milliseconds. */
  readonly pushMs: number
  /** When the last server answered, in milliseconds since the epoch by our clock. */
  readonly confirmedAt: number
  /** Reads the whole table back from every server until it is base plus change everywhere or the time is over. */
  verify: (withinMs: number) => Promise<Verification>
  /** Files that somebody has to bring to the servers; then nothing is live yet. */
  readonly rendered?: readonly string[]
  /** The same as text, where it is for standard output. */
  readonly printed?: string
  /** What makes it last, where it does not by itself; and what else the driver has to say, a sentence each. */
  readonly notes: readonly string[]
}

export interface ReadOptions {
  /** Servers that disagree are no error: the newest state counts, to mend what a half-taken change left. */
  readonly newest?: boolean
}

export interface ApplyOptions extends ReadOptions {
  /** Throws when what is there right before the change speaks against it. */
  readonly inspect?: (view: TableView) => void
}

/** Whether the previous mappings are live again; `foreign`: another tool gave a source a mapping of its own since. */
export type WriteBack = 'written' | 'not needed' | 'foreign' | 'failed'

/** The change was sent and what became of it could not be found out; the message is that of its cause. */
export class SentUnknownError extends TimeoutError {
  constructor(cause: LatticeError) {
    super(cause.message, {suggestions: cause.suggestions, details: cause.details, cause})
  }
}

/** How routes become live: a signed token, a file and a reload, our own leaf nodes, or somebody else's control plane. */
export interface Driver {
  readonly name: DriverName
  /** Whose rules for mappings hold: those of tokens, or of configuration files. */
  readonly form: 'jwt' | 'config'
  /** What a plan made with it should warn of, a sentence each. */
  readonly notes: readonly string[]
  /** What a change does not outlive, and the step that makes it last; undefined when it lasts by itself. */
  readonly durability?: Durability | undefined
  /** How long what was handed over may take to be live everywhere, in milliseconds, where that is not a matter of a moment. */
  readonly withinMs?: number
  /** Throws where it could never carry the change, before anything is written. */
  refuse?: (change: TableChange) => void
  read: (options?: ReadOptions) => Promise<TableView>
  /** Reads again, lets `inspect` judge, changes these sources and nothing else. Where the outcome is unknown: a SentUnknownError. */
  apply: (change: TableChange, options?: ApplyOptions) => Promise<Applied>
  /** Writes the previous mappings of a change into what is there by now. Never throws a LatticeError. */
  takeBack: (
    taken: {readonly change: TableChange; readonly previous: TableChange},
    withinMs: number,
  ) => Promise<WriteBack>
}

/** True when the table gives each source exactly these shares, or none where none are wanted. */
export function holds(table: MappingTable, change: TableChange): boolean {
  return change.every(({source, destinations}) => {
    const present = table.get(source)
    const wanted = destinations === undefined ? undefined : predictTable({[source]: destinations}).get(source)
    return present === undefined || wanted === undefined ? present === wanted : sameShares(present, wanted)
  })
}

/** True when the whole table is live, or will be as soon as somebody uses the account there. */
export function isLive({outcome}: ServerOutcome): boolean {
  return outcome === 'applied' || outcome === 'stored'
}
