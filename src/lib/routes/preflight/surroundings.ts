import {z} from 'zod'

import {LatticeError} from '../../errors.js'
import type {Monitoring, SystemReply} from '../../nats/system.js'
import {subjectsOverlap} from '../../routing/subject.js'

/** A leaf node connection of the account, as one of its two servers sees the other. */
export interface LeafNode {
  /** The other server, or its address where it has no name. */
  readonly name: string
  readonly server: string
  /** True where the server that tells is the one that connected. */
  readonly outgoing: boolean
  /** What it wants to hear: the subjects of subscribers behind it, without their queue groups. */
  readonly subjects: readonly string[]
}

/** A service that the account takes from another one. */
export interface ImportedService {
  /** Key, or name in a configuration, of the account that exports it. */
  readonly account: string
  /** As the exporter has it. */
  readonly subject: string
  /** As it is called here. */
  readonly local: string
  /** Sources that the exporter maps; undefined where that is not visible. */
  readonly mapped?: readonly string[]
}

/** Another account that takes services from this one. */
export interface Importer {
  /** Its name, or its key where it has none. */
  readonly name: string
  /** What it takes: as it is called here, and there. */
  readonly services: readonly {readonly subject: string; readonly local: string}[]
  /** Sources that it maps. */
  readonly mapped: readonly string[]
  /** Its calls that wait for an answer at this moment. */
  readonly inFlight: number
}

/** What lies around an account, as far as a change of its mappings touches it. */
export interface Surroundings {
  /** How many leaf nodes are connected to the account. */
  readonly leafCount: number
  /** What they listen on; undefined where servers do not tell. */
  readonly leaves: readonly LeafNode[] | undefined
  readonly imports: readonly ImportedService[]
  readonly importers: readonly Importer[]
}

const shareSchema = z.object({
  subject: z.string(),
  type: z.string().default('stream'),
  account: z.string().default(''),
  local_subject: z.string().optional(),
  to: z.string().optional(),
  invalid: z.boolean().default(false),
})

const accountSchema = z.object({
  account_detail: z.object({
    name_tag: z.string().optional(),
    leafnode_connections: z.number().default(0),
    mappings: z.record(z.string(), z.unknown()).nullish(),
    imports: z.array(shareSchema).nullish(),
    responses: z.record(z.string(), z.object({account: z.string()})).nullish(),
    exports: z.array(z.object({subject: z.string(), type: z.string().default('stream')})).nullish(),
  }),
})

type Account = z.infer<typeof accountSchema>['account_detail']

const listSchema = z.object({accounts: z.array(z.string()).nullish(), system_account: z.string().optional()})

const leavesSchema = z.object({
  leafs: z
    .array(
      z.object({
        name: z.string().default(''),
        ip: z.string().default(''),
        port: z.number().default(0),
        is_spoke: z.boolean().default(false),
        subscriptions_list: z.array(z.string()).nullish(),
      }),
    )
    .nullish(),
})

/** So many accounts are asked at once. */
const atOnce = 50

/**
 * Looks around an account; what is not there is not asked for. Accounts that nobody uses are not loaded anywhere, so
 * they have no calls that a change could lose.
 */
export async function readSurroundings(
  system: Monitoring,
  {account, subjects}: {readonly account: string; readonly subjects: readonly string[]},
): Promise<Surroundings> {
  const details = await readDetails(system, account)
  const leafCount = details.reduce((sum, one) => sum + one.leafnode_connections, 0)
  const exporting = details.some(({exports}) => exports?.some(({type}) => type === 'service'))
  const [leaves, importers, imports] = await Promise.all([
    leafCount === 0 ? [] : readLeaves(system, account),
    exporting ? readImporters(system, account, details) : [],
    readImports(system, details, subjects),
  ])
  return {leafCount, leaves, imports, importers}
}

async function readDetails(system: Monitoring, account: string): Promise<Account[]> {
  const replies = await system.ask('ACCOUNTZ', {account})
  return replies.flatMap(({data}) => {
    const parsed = accountSchema.safeParse(data)
    return parsed.success ? [parsed.data.account_detail] : []
  })
}

/** A system user may be allowed less than this: then it is not known. */
async function readLeaves(system: Monitoring, account: string): Promise<LeafNode[] | undefined> {
  let replies: SystemReply[]
  try {
    replies = await system.ask('LEAFZ', {account, subscriptions: true})
  } catch (error) {
    if (error instanceof LatticeError) return undefined
    throw error
  }
  if (replies.every(({error}) => error !== undefined)) return undefined
  return replies.flatMap(({server, data}) =>
    (leavesSchema.safeParse(data).data?.leafs ?? []).map(
      ({name, ip, port, is_spoke: outgoing, subscriptions_list: list}) => ({
        name: name || `${ip}:${port}`,
        server: server.name,
        outgoing,
        subjects: list ?? [],
      }),
    ),
  )
}

/** Servers keep a way back for each call of another account that is not answered yet. */
async function readImporters(system: Monitoring, account: string, own: readonly Account[]): Promise<Importer[]> {
  const waiting = own.flatMap(({responses}) => Object.values(responses ?? {}))
  const lists = (await system.ask('ACCOUNTZ')).map(({data}) => listSchema.safeParse(data).data)
  const hidden = new Set([account, ...lists.map((list) => list?.system_account)])
  const others = [...new Set(lists.flatMap((list) => list?.accounts ?? []))].filter((name) => !hidden.has(name)).sort()
  const found: Importer[] = []
  for (let index = 0; index < others.length; index += atOnce) {
    const asked = others.slice(index, index + atOnce)
    const read = await Promise.all(
      asked.map(async (name) => {
        const inFlight = waiting.filter((one) => one.account === name).length
        return importerOf(name, await readDetails(system, name), {account, inFlight})
      }),
    )
    found.push(...read.flat())
  }
  return found
}

function importerOf(
  name: string,
  details: readonly Account[],
  {account, inFlight}: {readonly account: string; readonly inFlight: number},
): Importer[] {
  const services = servicesOf(details).filter((service) => service.account === account)
  if (services.length === 0) return []
  const unique = new Map(services.map(({subject, local}) => [`${subject} ${local}`, {subject, local}]))
  return [{name: details[0]?.name_tag || name, services: [...unique.values()], mapped: sourcesOf(details), inFlight}]
}

async function readImports(
  system: Monitoring,
  details: readonly Account[],
  subjects: readonly string[],
): Promise<ImportedService[]> {
  const touched = servicesOf(details).filter(({local}) => subjects.some((subject) => subjectsOverlap(subject, local)))
  const unique = [...new Map(touched.map((one) => [`${one.account} ${one.subject} ${one.local}`, one])).values()]
  return Promise.all(
    unique.map(async (one) => {
      const exporter = await readDetails(system, one.account)
      return exporter.length === 0 ? one : {...one, mapped: sourcesOf(exporter)}
    }),
  )
}

/** Every account takes some of the server's own requests from the system account. */
function servicesOf(details: readonly Account[]): ImportedService[] {
  return details.flatMap(({imports}) =>
    (imports ?? [])
      .filter(({type, subject, invalid}) => type === 'service' && !invalid && !subject.startsWith('$SYS.'))
      .map(({account, subject, to, local_subject: local}) => ({account, subject, local: local || to || subject})),
  )
}

function sourcesOf(details: readonly Account[]): string[] {
  return [...new Set(details.flatMap(({mappings}) => Object.keys(mappings ?? {})))]
}
