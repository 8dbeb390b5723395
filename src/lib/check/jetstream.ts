import {z} from 'zod'

import {askApi, type JetStream} from '../cache/jetstream.js'
import {LatticeError, ServerError} from '../errors.js'
import {failed, isDenied} from './failure.js'
import type {Answer, JetStreamFacts, Usage} from './report.js'
import {countOf, sizeOf} from './text.js'

const limit = z.number().default(-1)
const unlimited = {max_memory: -1, max_storage: -1, max_streams: -1, max_consumers: -1, max_bytes_required: false}
const amountsSchema = z.object({
  memory: z.number().default(0),
  storage: z.number().default(0),
  streams: z.number().default(0),
  consumers: z.number().default(0),
  limits: z
    .object({
      max_memory: limit,
      max_storage: limit,
      max_streams: limit,
      max_consumers: limit,
      max_bytes_required: z.boolean().default(false),
    })
    .default(unlimited),
})
const accountSchema = amountsSchema.extend({
  domain: z.string().optional(),
  api: z.object({level: z.number().optional()}).optional(),
  // Limits for each number of replicas; those above are zero then and mean nothing.
  tiers: z.record(z.string(), amountsSchema).nullish(),
})

/** An account's JetStream, as far as lattice's buckets are concerned. */
export interface JetStreamAccount {
  readonly facts: JetStreamFacts
  /** A stream must say how large it may grow, and buckets that lattice makes do not. */
  readonly sizesRequired: boolean
}

/**
 * Reads what the account may use and uses. Undefined when the user may not ask, which nothing that lattice does needs;
 * throws what askApi throws.
 */
export async function readAccount(js: JetStream): Promise<JetStreamAccount | undefined> {
  try {
    const {error, fields} = await askApi(js, 'INFO')
    if (error !== undefined)
      throw new ServerError(`JetStream does not tell the account's limits: ${error.description}.`)
    return accountOf(accountSchema.parse(fields))
  } catch (error) {
    if (isDenied(error)) return undefined
    if (error instanceof z.ZodError) throw new ServerError('The answer about the account fits no known form.')
    throw error
  }
}

function accountOf(account: z.infer<typeof accountSchema>): JetStreamAccount {
  const {domain, api, tiers} = account
  // Buckets of one replica are what lattice makes.
  const {memory, storage, streams, consumers, limits} = tiers?.['R1'] ?? Object.values(tiers ?? {})[0] ?? account
  const level = api?.level
  return {
    facts: {
      ...(domain && {domain}),
      ...(level !== undefined && {apiLevel: level}),
      storage: usageOf(storage, limits.max_storage, 0),
      memory: usageOf(memory, limits.max_memory, 0),
      // Here a limit of 0 is none.
      streams: usageOf(streams, limits.max_streams, 1),
      consumers: usageOf(consumers, limits.max_consumers, 1),
    },
    sizesRequired: limits.max_bytes_required,
  }
}

function usageOf(used: number, most: number, least: number): Usage {
  return {used, ...(most >= least ? {limit: most} : {})}
}

/** Judges the account's amounts: whether the buckets that are absent can be made and those that are there be written. */
export function judgeAccount(
  {facts, sizesRequired}: JetStreamAccount,
  {absent, writes}: {readonly absent: readonly string[]; readonly writes: boolean},
): Answer {
  const {domain, storage, streams, consumers} = facts
  const detail = [
    `${formatUsage(streams, String)} streams`,
    `${formatUsage(storage, sizeOf)} in files`,
    domain === undefined ? 'no domain' : `domain '${domain}'`,
  ].join(', ')
  const answer = (state: Answer['state'], trouble: string, fix: readonly string[]): Answer => ({
    check: 'jetstream',
    state,
    detail: `${detail}: ${trouble}`,
    fix,
  })
  if (writes && absent.length > left(streams)) {
    return answer('missing', `no room for ${countOf(absent.length, 'bucket')} that the first write makes`, [
      `Let the account have ${countOf(absent.length, 'stream')} more.`,
    ])
  }
  if (writes && absent.length > 0 && sizesRequired) {
    return answer(
      'missing',
      'the account wants a size for each stream, and lattice makes buckets without',
      absent.map((bucket) => `nats kv add ${bucket} --history 64 --max-bucket-size 64MB`),
    )
  }
  if (writes && left(storage) <= 0) {
    return answer('missing', 'no storage is left', ['Let the account store more in files.'])
  }
  if (left(consumers) <= 0) {
    return answer('missing', 'no consumer is left to list records with', ['Let the account have more consumers.'])
  }
  if (storage.limit !== undefined && storage.used > storage.limit * 0.9) {
    return answer('warning', 'little storage is left', ['Let the account store more in files.'])
  }
  return {check: 'jetstream', state: 'ok', detail}
}

/** The answer where the account's amounts are not known: the failure, or that they are nobody's business. */
export function withoutAccount(error: unknown): Answer {
  if (error instanceof LatticeError) return failed('jetstream', error)
  return {check: 'jetstream', state: 'ok', detail: 'it answers; limits and usage are not visible to this user'}
}

/** The answer where the user may ask nothing that would show whether there is any. */
export const unseenJetStream: Answer = {
  check: 'jetstream',
  state: 'unknown',
  detail: 'the user may not ask anything that would show it',
}

function left({used, limit: most}: Usage): number {
  return most === undefined ? Infinity : most - used
}

function formatUsage({used, limit: most}: Usage, format: (amount: number) => string): string {
  return most === undefined ? format(used) : `${format(used)} of ${format(most)}`
}
