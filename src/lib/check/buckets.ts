import {z} from 'zod'

import {bucketNames} from '../cache/key.js'
import {askApi, jsCodes, type JetStream} from '../cache/jetstream.js'
import {ServerError} from '../errors.js'
import {failed, isDenied} from './failure.js'
import {leaseBucket} from './needs.js'
import type {Answer, BucketFacts} from './report.js'
import {countOf, sizeOf} from './text.js'
import type {Wanted} from './wanted.js'

const streamSchema = z.object({
  config: z.object({num_replicas: z.number().default(1)}),
  state: z.object({messages: z.number(), bytes: z.number()}),
  cluster: z
    .object({
      leader: z.string().optional(),
      replicas: z.array(z.object({name: z.string(), offline: z.boolean().default(false)})).nullish(),
    })
    .optional(),
})

/** One bucket; without facts where it could not be asked for. */
export interface BucketFound {
  readonly name: string
  readonly answer: Answer
  readonly facts?: BucketFacts
}

/** The buckets that what is wanted reads or writes. */
export function bucketsFor(lattice: string, {cache, routes}: Wanted): string[] {
  const {data, versions, config, routes: records} = bucketNames(lattice)
  return [
    ...(cache === 'none' ? [] : [data, versions, config]),
    ...(routes === 'none' ? [] : [records]),
    ...(routes === 'write' ? [leaseBucket] : []),
  ]
}

/** Looks at one bucket; throws a NoJetStreamError where there is no JetStream at all. */
export async function lookAtBucket(js: JetStream, name: string): Promise<BucketFound> {
  try {
    const {error, fields} = await askApi(js, `STREAM.INFO.KV_${name}`)
    if (error?.code === jsCodes.streamMissing) return absent(name)
    if (error !== undefined) throw new ServerError(`The bucket '${name}' does not answer: ${error.description}.`)
    return present(name, streamSchema.parse(fields))
  } catch (error) {
    if (isDenied(error)) return unseen(name)
    if (error instanceof ServerError) return {name, answer: failed('bucket', error)}
    throw error
  }
}

/** A bucket that the user may not look at. */
export function unseen(name: string): BucketFound {
  return {name, answer: {check: 'bucket', state: 'unknown', detail: `'${name}': the user may not look at it`}}
}

function absent(name: string): BucketFound {
  const detail = `'${name}' is not there yet, the first write makes it`
  return {name, answer: {check: 'bucket', state: 'notNeeded', detail}, facts: {name, present: false}}
}

function present(name: string, {config, state, cluster}: z.infer<typeof streamSchema>): BucketFound {
  const {num_replicas: replicas} = config
  const {messages, bytes} = state
  const offline = (cluster?.replicas ?? []).flatMap((replica) => (replica.offline ? [replica.name] : []))
  const leaderless = cluster !== undefined && (cluster.leader ?? '') === ''
  const detail = `'${name}': ${countOf(messages, 'revision')}, ${sizeOf(bytes)}, ${countOf(replicas, 'replica')}`
  const trouble = leaderless ? 'it has no leader' : offline.length > 0 ? `${offline.join(', ')} offline` : undefined
  const fix = [`nats stream info KV_${name}`]
  return {
    name,
    facts: {name, present: true, messages, bytes, replicas},
    answer:
      trouble === undefined
        ? {check: 'bucket', state: 'ok', detail}
        : {check: 'bucket', state: leaderless ? 'missing' : 'warning', detail: `${detail}, ${trouble}`, fix},
  }
}
