import type {BucketEntry} from '../cache/bucket-entry.js'
import type {LatticeCache} from '../cache/cache.js'
import {jsCodes, unexpectedAnswer, type ApiError} from '../cache/jetstream.js'
import {Pipeline, type Outcome, type Write} from '../cache/pipeline.js'
import {mostAtOnce, readMany} from '../cache/read-many.js'
import {InterruptedError} from '../errors.js'
import type {RecordKind} from '../records/registry.js'
import {BundleEndError} from './bundle-errors.js'
import type {Bundle} from './bundle.js'
import {decide, type Decision, type ImportMode} from './decide.js'
import {endedError, stoppedError} from './import-errors.js'
import {Planner, type Planned} from './plan.js'
import {Refusals} from './refusals.js'
import {Tally} from './tally.js'
import {TargetBuckets, type TargetBucket} from './target-buckets.js'

export interface RunOptions {
  readonly mode: ImportMode
  readonly kinds?: readonly RecordKind[] | undefined
  readonly validate: boolean
  readonly dryRun: boolean
  /** Called for each record that is or would be written, and for what it replaces, in a dry run only. */
  readonly preview?: ((planned: Planned, decision: Decision, present: BucketEntry | undefined) => void) | undefined
  /** Called for each record that is one of the lattice after the import. */
  readonly seen?: ((planned: Planned) => void) | undefined
  readonly report: (settled: number) => void
  readonly signal?: AbortSignal | undefined
}

/** A record whose key was there already, and the revision that the server told. */
interface Question {
  readonly planned: Planned
  readonly revision: number | undefined
}

/** What a write that was sent is to be counted as. */
interface Sent {
  readonly planned: Planned
  readonly replaces: boolean
}

const wrongSequence: readonly number[] = [jsCodes.wrongLastSequence, jsCodes.wrongLastSequenceUnknown]
const messageTooLarge = 10_054
/** Over this a round trip takes so long that more has to be under way. */
const slowMs = 4

/**
 * One import. Every record is sent as if its key was free, and only where the server says that it is not, what stands
 * there is read and it is decided what to do: nothing is ever written over what was not read.
 */
export class ImportRun {
  readonly #cache: LatticeCache
  readonly #bundle: Bundle
  readonly #options: RunOptions
  readonly #planner: Planner
  readonly #buckets: TargetBuckets
  readonly #refusals: Refusals
  #questions: Question[] = []
  /** Those that are being answered. */
  #asked: readonly Question[] = []
  #answering: Promise<void> = Promise.resolve()
  #throughLine = 0
  readonly tally = new Tally()

  constructor(cache: LatticeCache, bundle: Bundle, options: RunOptions) {
    this.#cache = cache
    this.#bundle = bundle
    this.#options = options
    const maxPayload = cache.jetStream().nc.info?.max_payload ?? 1 << 20
    this.#planner = new Planner(cache.lattice, {...options, maxPayload})
    this.#buckets = new TargetBuckets(cache, options)
    this.#refusals = new Refusals(cache.jetStream().timeoutMs)
  }

  /** The buckets that were written to. */
  get buckets(): TargetBuckets {
    return this.#buckets
  }

  /** Throws what stopped it, with how far it got. */
  async run(): Promise<void> {
    const js = this.#cache.jetStream()
    const window = (await js.nc.rtt().catch(() => 0)) > slowMs ? 4096 : 512
    using pipeline = new Pipeline<Sent>(js, {window, settle: (write, outcome) => this.#settle(write, outcome)})
    let ending: BundleEndError | undefined
    try {
      ending = await this.#sendAll(pipeline).then(() => undefined, onlyItsEnd)
      for (;;) {
        await this.#answering
        await pipeline.drain()
        if (this.#questions.length === 0) break
        await this.#startAnswer(pipeline)
      }
    } catch (error) {
      const {open, untaken} = pipeline.waiting
      throw stoppedError(error, {
        tally: this.tally,
        unknown: open - untaken,
        throughLine: Math.max(0, this.#oldestLine(pipeline) - 1),
      })
    }
    if (ending !== undefined) throw endedError(ending, this.tally)
  }

  async #sendAll(pipeline: Pipeline<Sent>): Promise<void> {
    const {dryRun, report, seen, signal} = this.#options
    for await (const {entries, bad} of this.#bundle.batches()) {
      const {header} = this.#bundle
      if (header !== undefined) this.#planner.comesFrom(header.lattice)
      for (const {line, reason} of bad) this.tally.fail('refused', {line, reason})
      for (const entry of entries) {
        this.tally.count('records')
        const plan = this.#planner.plan(entry)
        if (plan.type === 'leave') this.#leave(plan.kind)
        else if (plan.type === 'refuse') this.tally.fail('refused', {...pick(entry), reason: plan.reason})
        else {
          const {planned} = plan
          seen?.(planned)
          if (this.#buckets.known(planned.bucket) === undefined) await this.#buckets.open(planned.bucket)
          if (dryRun) this.#questions.push({planned, revision: undefined})
          else {
            while (pipeline.full) await pipeline.room()
            pipeline.send(write(planned, {value: planned.value, expected: 0, replaces: false}))
          }
          if (this.#questions.length >= mostAtOnce) await this.#startAnswer(pipeline)
        }
        this.#throughLine = entry.line
      }
      report(this.tally.settled)
      if (signal?.aborted === true) throw await interrupted(pipeline)
    }
  }

  #leave(kind: RecordKind): void {
    this.tally.count('leftOut')
    if (kind === 'route') this.tally.leftRoutes++
  }

  #settle({bucket, key, about: {planned, replaces}}: Write<Sent>, outcome: Outcome): void {
    if (outcome.kind === 'stored') {
      this.#buckets.known(bucket)!.own.add(outcome.revision)
      this.tally.count(replaces ? 'replaced' : 'created')
      return
    }
    const {error} = outcome
    if (wrongSequence.includes(error.code)) this.#questions.push({planned, revision: toldRevision(error)})
    else if (error.code === messageTooLarge) {
      this.tally.fail('refused', {...pick(planned), reason: `it has more bytes than the bucket '${bucket}' takes`})
    } else throw unexpectedAnswer(error, `The bucket '${bucket}' refused the write of '${key}'`)
  }

  /** One answer at a time; meanwhile more records are sent. */
  async #startAnswer(pipeline: Pipeline<Sent>): Promise<void> {
    await this.#answering
    this.#asked = this.#questions.splice(0, mostAtOnce)
    this.#answering = this.#answer(pipeline, this.#asked)
    // Whoever waits for it next gets its failure.
    this.#answering.catch(() => undefined)
  }

  /** Reads what stands in the way of records, and does with them what the mode says. */
  async #answer(pipeline: Pipeline<Sent>, questions: readonly Question[]): Promise<void> {
    for (const name of new Set(questions.map(({planned}) => planned.bucket))) {
      const asked = questions.filter(({planned}) => planned.bucket === name)
      const target = await this.#buckets.open(name)
      const wanted = asked.map(({planned: {key}, revision}) => ({key, revision}))
      const {bucket: leader, direct} = target
      const present = target.exists
        ? await readMany(this.#cache.jetStream(), name, wanted, {leader, direct, exact: !this.#options.dryRun})
        : new Map<string, BucketEntry>()
      // Of several lines with one key only the last one counts.
      const last = new Map(asked.map(({planned}) => [planned.key, planned]))
      const isLast = ({planned}: Question): boolean => last.get(planned.key) === planned
      for (const {planned} of asked.filter((question) => !isLast(question))) {
        noteOwn(target, planned, present.get(planned.key))
        this.tally.count('leftOut')
      }
      for (const question of asked.filter(isLast)) {
        while (pipeline.full) await pipeline.room()
        this.#carryOut(pipeline, question, {target, present: present.get(question.planned.key)})
      }
    }
    await this.#refusals.rest()
    this.#asked = []
    this.#options.report(this.tally.settled)
  }

  #carryOut(
    pipeline: Pipeline<Sent>,
    {planned, revision: told}: Question,
    {target, present}: {readonly target: TargetBucket; readonly present: BucketEntry | undefined},
  ): void {
    const {lattice} = this.#cache
    const {mode, validate, dryRun, preview} = this.#options
    const own = (revision: number): boolean => target.own.has(revision)
    const foreign = (revision: number): boolean => revision > target.lastRevision && !own(revision)
    const decision = decide(planned, {lattice, mode, validate, present, foreign, own})
    if (dryRun) preview?.(planned, decision, present)
    switch (decision.type) {
      case 'write':
        if (dryRun) this.tally.count(decision.replaces ? 'replaced' : 'created')
        else if (!this.#refusals.mayTry(planned, {...decision, present, told})) this.#conflict(planned)
        else pipeline.send(write(planned, decision))
        break
      case 'same':
        this.#countSame(target, present!.revision)
        break
      case 'keep':
        this.tally.count('kept')
        break
      case 'conflict':
        // What stands there may be of an earlier line, whose acknowledgement is still to come.
        if (planned.tries++ === 0 || pipeline.awaits(planned))
          this.#questions.push({planned, revision: present?.revision})
        else this.#conflict(planned)
        break
      case 'refuse':
        this.tally.fail('refused', {...pick(planned), reason: decision.reason})
        break
    }
  }

  /** What was written since the import began, and not by anybody it knows of, it wrote itself: the answer was lost. */
  #countSame({lastRevision, own}: TargetBucket, revision: number): void {
    const lost = revision > lastRevision && !own.has(revision)
    if (lost) own.add(revision)
    this.tally.count(lost ? 'created' : 'unchanged')
  }

  #conflict(planned: Planned): void {
    this.tally.fail('conflicts', {...pick(planned), reason: 'somebody else wrote it while the import ran'})
  }

  #oldestLine(pipeline: Pipeline<Sent>): number {
    const open = [...this.#asked, ...this.#questions].map(({planned}) => planned.line)
    const {oldest} = pipeline
    if (oldest !== undefined) open.push(oldest.about.planned.line)
    return open.reduce((least, line) => Math.min(least, line), this.#throughLine + 1)
  }
}

function write(
  planned: Planned,
  {value, expected, replaces}: {readonly value: Uint8Array; readonly expected: number; readonly replaces: boolean},
): Write<Sent> {
  const {bucket, key} = planned
  return {bucket, key, value, expected, about: {planned, replaces}}
}

function pick({line, kind, key}: Pick<Planned, 'line' | 'kind' | 'key'>): Pick<Planned, 'line' | 'kind' | 'key'> {
  return {line, kind, key}
}

/** What stands there may be an earlier line with the same key, whose acknowledgement was lost. */
function noteOwn({lastRevision, own}: TargetBucket, {value}: Planned, present: BucketEntry | undefined): void {
  if (present === undefined || present.revision <= lastRevision) return
  if (Buffer.compare(present.value, value) === 0) own.add(present.revision)
}

/** What came before it is imported all the same. */
function onlyItsEnd(error: unknown): BundleEndError {
  if (error instanceof BundleEndError) return error
  throw error
}

/** `wrong last sequence: 17` tells the present revision. */
function toldRevision({description}: ApiError): number | undefined {
  const digits = /(\d+)$/.exec(description)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** What was sent is waited for, so that it is known. */
async function interrupted(pipeline: Pipeline<Sent>): Promise<Error> {
  await pipeline.drain().catch(() => undefined)
  return new InterruptedError('It was interrupted.')
}
