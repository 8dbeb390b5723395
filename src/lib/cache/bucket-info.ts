import {z} from 'zod'

import {ServerError} from '../errors.js'
import {askApi, jsCodes, unexpectedAnswer, type JetStream} from './jetstream.js'

/** How a bucket is made and kept, as its stream's leader says. */
export interface BucketInfo {
  readonly name: string
  readonly storage: 'file' | 'memory'
  readonly replicas: number
  /** Revisions kept of each key; absent where there is no limit. */
  readonly history?: number
  /** Bytes of the whole bucket; absent where there is no limit. */
  readonly maxBytes?: number
  /** Bytes of one value; absent where only the server limits it. */
  readonly maxValueSize?: number
  /** Milliseconds after which a revision is gone; absent where none goes. */
  readonly maxAgeMs?: number
  readonly description?: string
  readonly placementTags?: readonly string[]
  /** What it is a copy of, and how many revisions it is behind. */
  readonly mirrorOf?: {readonly bucket: string; readonly lag: number}
  /** ISO time; another one under the same name says that the bucket was made anew. */
  readonly created: string
  /** Keys of which anything is stored, deletions included. */
  readonly storedKeys: number
  /** All stored revisions, deletions included. */
  readonly revisions: number
  /** On the disk or in memory. */
  readonly bytes: number
  readonly lastRevision: number
  /** Name of the server that leads it; absent while none does. */
  readonly leader?: string
  /** The other servers that have it, by name. */
  readonly followers: readonly Follower[]
}

export interface Follower {
  readonly name: string
  /** It has everything that the leader has. */
  readonly current: boolean
  readonly offline: boolean
  /** Operations that it is behind. */
  readonly lag: number
  /** Milliseconds since it was heard. */
  readonly silentMs: number
}

const nanoseconds = z
  .number()
  .default(0)
  .transform((value) => Math.round(value / 1_000_000))
const limit = z
  .number()
  .default(-1)
  .transform((value) => (value > 0 ? value : undefined))

const infoSchema = z.object({
  created: z.string(),
  config: z.object({
    storage: z.enum(['file', 'memory']),
    num_replicas: z.number().default(1),
    max_msgs_per_subject: limit,
    max_bytes: limit,
    max_msg_size: limit,
    max_age: nanoseconds.transform((value) => (value > 0 ? value : undefined)),
    description: z.string().optional(),
    placement: z.object({tags: z.array(z.string()).default([])}).nullish(),
  }),
  state: z.object({
    messages: z.number(),
    bytes: z.number(),
    last_seq: z.number(),
    num_subjects: z.number().default(0),
  }),
  cluster: z
    .object({
      leader: z.string().optional(),
      replicas: z
        .array(
          z.object({
            name: z.string(),
            current: z.boolean().default(false),
            offline: z.boolean().default(false),
            lag: z.number().default(0),
            active: nanoseconds,
          }),
        )
        .nullish(),
    })
    .nullish(),
  mirror: z.object({name: z.string(), lag: z.number().default(0)}).nullish(),
})

/** What is known of a bucket; undefined when there is none of that name. */
export async function readBucketInfo(js: JetStream, name: string): Promise<BucketInfo | undefined> {
  const {error, fields} = await askApi(js, `STREAM.INFO.KV_${name}`)
  if (error?.code === jsCodes.streamMissing) return undefined
  if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${name}' cannot be looked at`)
  const read = infoSchema.safeParse(fields)
  if (!read.success) {
    const path = read.error.issues[0]?.path.map(String).join('.') ?? ''
    throw new ServerError(`The description of the bucket '${name}' has an unknown form, at '${path}'.`)
  }
  return bucketInfo(name, read.data)
}

function bucketInfo(name: string, {created, config, state, cluster, mirror}: z.infer<typeof infoSchema>): BucketInfo {
  const followers = (cluster?.replicas ?? []).map(({active, ...replica}) => ({...replica, silentMs: active}))
  const tags = config.placement?.tags ?? []
  return {
    name,
    storage: config.storage,
    replicas: config.num_replicas,
    ...present({
      history: config.max_msgs_per_subject,
      maxBytes: config.max_bytes,
      maxValueSize: config.max_msg_size,
      maxAgeMs: config.max_age,
      description: config.description === '' ? undefined : config.description,
      placementTags: tags.length === 0 ? undefined : tags,
      mirrorOf: mirror ? {bucket: mirror.name.replace(/^KV_/, ''), lag: mirror.lag} : undefined,
      leader: cluster?.leader === '' ? undefined : cluster?.leader,
    }),
    created: new Date(created).toISOString(),
    storedKeys: state.num_subjects,
    revisions: state.messages,
    bytes: state.bytes,
    lastRevision: state.last_seq,
    followers: followers.sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

/** Absent keys instead of undefined ones. */
function present<T extends object>(fields: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
