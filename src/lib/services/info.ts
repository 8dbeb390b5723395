import {z} from 'zod'

import {isSemver, parseVersion, type Version} from '../entity/version.js'
import {isSubject} from '../routing/subject.js'

/** One running copy of a NATS micro service, as it describes itself. */
export interface ServiceInstance {
  readonly name: string
  /** Made anew at every start. */
  readonly id: string
  /** Undefined when what it says is not semver, which services must have. */
  readonly version?: Version
  /** The lattice that its metadata names. */
  readonly lattice: string
  readonly endpoints: readonly InstanceEndpoint[]
  /** Endpoints that could not be read, and are left out. */
  readonly unread: number
}

/** One subject on which an instance listens. */
export interface InstanceEndpoint {
  readonly name: string
  /** May hold wildcards. */
  readonly subject: string
  /** Undefined: every instance answers every request. */
  readonly queue?: string
  /** The subject of the callers, as the metadata `lattice.source` names it. */
  readonly source?: string
  /** What contradicts a file that declares the service, a sentence each. */
  readonly faults?: readonly string[]
}

/** Longest subject that is taken from others. */
const longestSubject = 255
const mostEndpoints = 1000

const nameSchema = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/)
const tokenSchema = z.string().regex(/^[!-~]{1,128}$/)
const subjectSchema = z.string().max(longestSubject).refine(isPlainSubject)
const endpointSchema = z
  .object({
    name: nameSchema,
    subject: subjectSchema,
    queue_group: z.union([tokenSchema, z.literal(''), z.null()]).optional(),
    metadata: z.unknown().optional(),
  })
  .transform(({name, subject, queue_group: queue, metadata}): InstanceEndpoint => {
    const source = subjectSchema.safeParse(wordOf(metadata, 'lattice.source'))
    return {name, subject, ...(queue ? {queue} : {}), ...(source.success ? {source: source.data} : {})}
  })

const infoSchema = z
  .object({
    type: z.literal('io.nats.micro.v1.info_response'),
    name: nameSchema,
    id: tokenSchema,
    version: z.string(),
    metadata: z.unknown().optional(),
    endpoints: z.array(z.unknown()).max(mostEndpoints).nullish(),
  })
  .transform(({name, id, version, metadata, endpoints}): ServiceInstance => {
    const read = (endpoints ?? []).map((endpoint) => endpointSchema.safeParse(endpoint))
    const lattice = z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/)
      .safeParse(wordOf(metadata, 'lattice') ?? 'default')
    return {
      name,
      id,
      ...(isSemver(version) && version.length <= 128 ? {version: parseVersion(version)} : {}),
      lattice: lattice.success ? lattice.data : '',
      endpoints: read.flatMap(({data}) => (data === undefined ? [] : [data])),
      unread: read.filter(({success}) => !success).length,
    }
  })

/** Parses one answer to `$SRV.INFO`; undefined for what no service says. Endpoints that make no sense are left out. */
export function parseServiceInfo(text: string): ServiceInstance | undefined {
  try {
    return infoSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** True for a subject that a terminal can show and a mapping can hold. */
export function isPlainSubject(subject: string): boolean {
  return isSubject(subject) && !/[\p{C}\p{Z}]/u.test(subject)
}

/** Anything else that stands in metadata is its owner's business; what prototypes have is no metadata. */
function wordOf(metadata: unknown, word: string): unknown {
  return typeof metadata === 'object' && metadata !== null && Object.hasOwn(metadata, word)
    ? (metadata as Record<string, unknown>)[word]
    : undefined
}
