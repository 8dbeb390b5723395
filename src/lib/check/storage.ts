import {bucketNames} from '../cache/key.js'
import {askApi, type JetStream} from '../cache/jetstream.js'
import {LatticeError} from '../errors.js'
import {bucketsFor, lookAtBucket, unseen, type BucketFound} from './buckets.js'
import {judgeAccount, readAccount, unseenJetStream, withoutAccount, type JetStreamAccount} from './jetstream.js'
import {leaseBucket} from './needs.js'
import type {Answer, Found} from './report.js'
import {wantsJetStream, type Wanted} from './wanted.js'

export interface StorageQuestion {
  readonly js: JetStream
  readonly lattice: string
  readonly dialect: 'v0' | 'v1' | undefined
  readonly wanted: Wanted
  /** Whether the user may publish to a subject, as far as it is known: what is known to be denied is not tried. */
  readonly mayPublish: (subject: string) => boolean
}

/** Looks at the account's JetStream and at the lattice's buckets in it. */
export async function checkStorage(question: StorageQuestion): Promise<Found> {
  const {js, lattice, wanted, mayPublish} = question
  if (!wantsJetStream(wanted)) {
    return {answers: [{check: 'jetstream', state: 'notNeeded', detail: 'nothing that is wanted uses it'}]}
  }
  const account = mayPublish(`${js.prefix}.INFO`) ? await orFailure(readAccount(js)) : undefined
  if (account instanceof LatticeError) return {answers: [withoutAccount(account)]}
  const looked = await orFailure(lookAtBuckets(question))
  if (looked instanceof LatticeError) return {answers: [withoutAccount(looked)]}
  const found = looked.filter(({name, facts}) => facts?.present === true || !isSpare(question, name))
  const buckets = found.flatMap(({facts}) => (facts === undefined ? [] : [facts]))
  const absent = buckets.flatMap(({name, present}) => (present ? [] : [name]))
  const others = absent.includes(bucketNames(lattice).data) ? await otherLattices(question) : []
  return {
    answers: [
      account !== undefined
        ? judge(account, {absent, wanted})
        : buckets.length > 0
          ? withoutAccount(undefined)
          : unseenJetStream,
      ...found.map(({answer}) => hintAt(others, answer)),
    ],
    facts: {...(account === undefined ? {} : {jetstream: account.facts}), buckets},
  }
}

/** Only v1 lattices have configurations, so nobody misses their bucket. */
function isSpare({lattice, dialect}: StorageQuestion, name: string): boolean {
  return dialect !== 'v1' && name === bucketNames(lattice).config
}

function judge(account: JetStreamAccount, {absent, wanted}: {absent: readonly string[]; wanted: Wanted}): Answer {
  // What is only read is not made.
  const made = absent.filter((name) =>
    /^LATTICE(ROUTES_|ACCOUNT$)/.test(name) ? wanted.routes === 'write' : wanted.cache === 'write',
  )
  return judgeAccount(account, {absent: made, writes: wanted.cache === 'write' || wanted.routes === 'write'})
}

function lookAtBuckets({js, lattice, wanted, mayPublish}: StorageQuestion): Promise<BucketFound[]> {
  return Promise.all(
    bucketsFor(lattice, wanted).map((name) =>
      mayPublish(`${js.prefix}.STREAM.INFO.KV_${name}`) ? lookAtBucket(js, name) : Promise.resolve(unseen(name)),
    ),
  )
}

/** Names of the other lattices whose records the account holds: often the one that was meant. */
async function otherLattices({js, lattice, mayPublish}: StorageQuestion): Promise<string[]> {
  if (!mayPublish(`${js.prefix}.STREAM.NAMES`)) return []
  const prefix = `KV_${bucketNames('').data}`
  const answer = await orFailure(askApi(js, 'STREAM.NAMES', {subject: '$KV.>'}))
  const names: unknown = answer instanceof LatticeError ? [] : answer.fields['streams']
  return (Array.isArray(names) ? names : [])
    .flatMap((name) => (typeof name === 'string' && name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
    .filter((name) => name !== lattice && name !== '')
    .sort()
}

function hintAt(others: readonly string[], answer: Answer): Answer {
  const hinted = answer.state === 'notNeeded' && others.length > 0 && !answer.detail.includes(leaseBucket)
  return hinted ? {...answer, fix: others.map((name) => `--lattice ${name}`)} : answer
}

/** Failures on the way are answers here, and not the end of the check. */
async function orFailure<T>(promise: Promise<T>): Promise<T | LatticeError> {
  return promise.catch((error: unknown) => {
    if (error instanceof LatticeError) return error
    throw error
  })
}
