import type {NatsConnection} from '@nats-io/transport-node'

import type {ConfigDriver} from '../apply/config-driver.js'
import {checkRules} from '../apply/config-stage.js'
import {isLive, SentUnknownError, type TableChange} from '../apply/driver.js'
import {
  ConflictError,
  ConnectionError,
  describeFailure,
  LatticeError,
  PartialError,
  TimeoutError,
  UnsafeError,
  UsageError,
} from '../errors.js'
import {isSignedBy} from '../leaf/sign.js'
import {leafChangeSchema, signedSchema, type ChangeReply, type LeafChange} from '../leaf/state.js'
import {patternOf} from '../routing/subject.js'
import {mayListen, maySend, readHubUser} from './hub.js'
import {maySplit} from './settings.js'
import {digestOf, wireMappings} from './table.js'

/** What a change is judged by. */
export interface ChangeRules {
  readonly id: string
  readonly name: string
  readonly accepts: readonly string[]
  readonly form: 'beside' | 'account-wide'
  readonly sources: readonly string[]
}

/** A change that somebody stands for whose word counts. */
export interface SignedChange {
  readonly by: string
  readonly change: LeafChange
}

const largestBytes = 1 << 20

/** Reads what was sent; throws a UsageError for what is no signed change, and a ConnectionError for a stranger's. */
export function parseChange(bytes: Uint8Array, {id, name, accepts}: ChangeRules): SignedChange {
  const signed = signedSchema.safeParse(parseJson(bytes))
  if (!signed.success) throw new NoChangeError()
  if (!isSignedBy(accepts, 'lattice leaf change', signed.data)) throw new StrangerError(name, signed.data.by, accepts)
  const change = leafChangeSchema.safeParse(parseJson(signed.data.text))
  if (!change.success) throw new NoChangeError()
  if (change.data.leaf !== id) {
    throw new ConflictError(`The change is for leaf node '${change.data.leaf}', and this is '${id}'.`, {
      details: {leaf: change.data.leaf, id},
    })
  }
  return {by: signed.data.by, change: change.data}
}

function parseJson(text: Uint8Array | string): unknown {
  if (text.length > largestBytes) return undefined
  try {
    return JSON.parse(typeof text === 'string' ? text : Buffer.from(text).toString('utf8'))
  } catch {
    return undefined
  }
}

/** What a leaf node is changed through. */
export interface ChangeAccess {
  readonly driver: ConfigDriver
  readonly hub: NatsConnection
  readonly timeoutMs: number
}

/** Checks a change, writes it into the file, and resolves to what is to be told when the server has it. */
export async function applyChange(
  {driver, hub, timeoutMs}: ChangeAccess,
  {change, expects}: LeafChange,
  rules: ChangeRules,
): Promise<readonly string[]> {
  const table: TableChange = change.map(({source, destinations}) => ({source, destinations: destinations ?? undefined}))
  refuseTwice(table)
  const added = table.filter(({destinations}) => destinations !== undefined)
  const foreign = added.find(({source}) => !maySplit(rules, source))
  if (foreign !== undefined) throw new ForeignSourceError(rules, foreign.source)
  checkRules(table)
  if (added.length > 0) await checkGrants({hub, timeoutMs}, added, rules)
  const inspect = ({mappings}: Awaited<ReturnType<ConfigDriver['read']>>): void => {
    if (digestOf(wireMappings(mappings)) !== expects) throw new OtherStateError(rules.name)
  }
  const applied = await driver.apply(table, {inspect}).catch((error: unknown) => {
    // A server that did not answer may have read the file all the same.
    if (error instanceof TimeoutError || error instanceof ConnectionError) throw new SentUnknownError(error)
    throw error
  })
  const {outcomes} = await applied.verify(timeoutMs)
  const bad = outcomes.find((outcome) => !isLive(outcome))
  if (bad !== undefined) {
    throw new PartialError(
      `Leaf node '${rules.name}' took the change, and ${bad.reason ?? 'its server does not show it'}.`,
    )
  }
  // The sources of those beside their callers are nobody else's.
  return rules.form === 'beside' ? applied.notes.filter((note) => !note.startsWith('Leaf nodes')) : applied.notes
}

function refuseTwice(change: TableChange): void {
  const sources = change.map(({source}) => source)
  const twice = sources.find((source, index) => sources.indexOf(source) !== index)
  if (twice !== undefined) throw new UsageError(`The change names '${twice}' twice.`, {details: {source: twice}})
}

/** The account's servers drop without a word what this user may not send. */
async function checkGrants(
  {hub, timeoutMs}: Pick<ChangeAccess, 'hub' | 'timeoutMs'>,
  change: TableChange,
  {name, form}: ChangeRules,
): Promise<void> {
  const user = await readHubUser(hub, timeoutMs)
  for (const {source, destinations = []} of change) {
    const silent = destinations.find(({subject, weight}) => weight > 0 && !maySend(user, patternOf(subject)))
    if (silent !== undefined) throw new NoGrantError(name, 'send to', silent.subject)
    if (form === 'account-wide' && !mayListen(user, source)) throw new NoGrantError(name, 'listen on', source)
  }
}

/** What the leaf node says to whoever sent a change that failed. */
export function failureReply(error: unknown): ChangeReply {
  const {kind, message, suggestions} = describeFailure(error).json
  return {
    error: {
      kind,
      message: message.slice(0, 4000),
      suggestions: suggestions.slice(0, 20).map((line) => line.slice(0, 1000)),
      unknown: error instanceof SentUnknownError || error instanceof PartialError || !(error instanceof LatticeError),
    },
  }
}

class NoChangeError extends UsageError {
  constructor() {
    super('What was sent is no signed change for a leaf node.', {
      suggestions: ['Run the same version of lattice on both sides: lattice --version'],
    })
  }
}

/** Only those whose key is known may change what callers get. */
class StrangerError extends ConnectionError {
  constructor(name: string, by: string, accepts: readonly string[]) {
    super(
      accepts.includes(by)
        ? `Leaf node '${name}' takes no change whose signature is not that of '${by}'.`
        : `Leaf node '${name}' takes no changes from '${by.slice(0, 56)}'.`,
      {
        suggestions: [
          '--leaf-key FILE (or LATTICE_LEAF_KEY_FILE) with a user seed that it accepts',
          'lattice leaf run --accept-key U…   (the public key of whoever may change it)',
        ],
        details: {accepts},
      },
    )
  }
}

/** Somebody else changed it in between, or the change was made before and comes again. */
export class OtherStateError extends ConflictError {
  constructor(name: string) {
    super(`Leaf node '${name}' has changed since it was read.`, {suggestions: ['Run the same command again.']})
  }
}

/** Its server keeps requests of other sources from it, and what it keeps is fixed when it starts. */
class ForeignSourceError extends UnsafeError {
  constructor({name, sources}: ChangeRules, source: string) {
    super(`Leaf node '${name}' was not started for '${source}': it needs --source '${source}'.`, {
      suggestions: [
        `lattice leaf run --name ${name} ${[...sources, source].map((one) => `--source '${one}'`).join(' ')}`,
      ],
      details: {rule: 'not-carried', source, sources},
    })
  }
}

class NoGrantError extends UnsafeError {
  constructor(name: string, what: 'send to' | 'listen on', subject: string) {
    super(`The user of leaf node '${name}' may not ${what} '${subject}' at the account's servers.`, {
      suggestions: ['Run the leaf node as a user that may.', 'lattice context check'],
      details: {rule: 'leaf-permission', subject},
    })
  }
}
