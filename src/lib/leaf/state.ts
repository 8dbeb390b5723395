import {z} from 'zod'

import {errorKinds} from '../errors.js'

const nameSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const subjectSchema = z.string().min(1).max(4096)

const destinationSchema = z
  .object({
    subject: subjectSchema,
    weight: z.number().int().min(0).max(100),
    cluster: z.string().max(255).optional(),
  })
  .transform(({cluster, ...rest}) => ({...rest, ...(cluster === undefined ? {} : {cluster})}))

const mappingsSchema = z.record(subjectSchema, z.array(destinationSchema).max(1000))

/** What is wrong with a leaf node while it runs. */
const problemSchema = z.object({
  /** `doubling`, `second-leaf`, `hub-lost`, `agent-lost`, `server-lost`, `table-differs`, `worker-here`, `files-lost`: for scripts; more may come. */
  kind: z.string().max(64),
  sentence: z.string().max(1000),
  since: z.iso.datetime(),
})

export type LeafProblem = z.infer<typeof problemSchema>

/** One leaf node of ours, as it tells of itself. */
export const leafStateSchema = z.object({
  /** Its own, the same over restarts. */
  id: nameSchema,
  /** What it shares with others that split alike. */
  name: nameSchema,
  lattice: nameSchema,
  /** Its nats-server as it runs now. */
  server: z.object({id: z.string().max(128), name: z.string().max(255), version: z.string().max(64)}),
  /** `beside`: for the callers that connect to it. `account-wide`: for all callers of the account. */
  form: z.enum(['beside', 'account-wide']),
  /** What it may split; empty: whatever it is told (account-wide). */
  sources: z.array(subjectSchema).max(1000),
  /** What its file says. */
  mappings: mappingsSchema,
  /** Digest of that file. */
  digest: z.string().max(128),
  /** What its server serves, in shares of each destination; null where the server does not answer. */
  live: mappingsSchema.nullable(),
  /** A change has to repeat it; another one after each change. */
  nonce: z.string().max(64),
  /** User keys whose changes it takes. */
  accepts: z.array(z.string().max(64)).max(1000),
  /** Whether its server is connected to the account's. */
  connected: z.boolean(),
  /** Where its callers connect. */
  url: z.string().max(1000),
  problems: z.array(problemSchema).max(100),
  /** What the request asked it to repeat, so that an answer cannot be an old one. */
  challenge: z.string().max(64).optional(),
})

export type LeafState = z.infer<typeof leafStateSchema>

/** What a leaf node is asked to change; null destinations remove the mapping. */
export const leafChangeSchema = z.object({
  leaf: nameSchema,
  nonce: z.string().max(64),
  /** Digest of the file that it has. */
  expects: z.string().max(128),
  change: z
    .array(z.object({source: subjectSchema, destinations: z.array(destinationSchema).max(1000).nullable()}))
    .min(1)
    .max(1000),
})

export type LeafChange = z.infer<typeof leafChangeSchema>

/** A text and who stands for it; the signature is over the purpose and the text. */
export const signedSchema = z.object({text: z.string(), by: z.string().max(64), signature: z.string().max(128)})

export type Signed = z.infer<typeof signedSchema>

/** What a leaf node says to a change. */
export const changeReplySchema = z.union([
  z.object({state: leafStateSchema, notes: z.array(z.string().max(1000)).max(100)}),
  z.object({
    error: z.object({
      kind: z.enum(errorKinds),
      message: z.string().max(4000),
      suggestions: z.array(z.string().max(1000)).max(20).default([]),
      /** True where it may have been done, at least in part. */
      unknown: z.boolean().default(false),
    }),
  }),
])

export type ChangeReply = z.infer<typeof changeReplySchema>

/** What a leaf node may be asked to ask its own server: of the callers' account, and nothing that changes anything. */
export const askSchema = z.object({
  endpoint: z.enum(['SUBSZ', 'CONNZ', 'VARZ', 'ACCOUNTZ', 'LEAFZ']),
  // Nothing else is handed on: a server takes names in any case, and tells who its users are to who asks for that.
  body: z
    .object({
      subscriptions: z.boolean().optional(),
      subscriptions_detail: z.boolean().optional(),
      limit: z.number().int().min(0).optional(),
      offset: z.number().int().min(0).optional(),
    })
    .default({}),
})
