import {z} from 'zod'

import {ServerError} from '../errors.js'
import type {Monitoring, ServerIdentity, SystemReply} from '../nats/system.js'

/**
 * Where a server has account tokens from. `full`: its own files, synchronised with other servers. `cache`: those servers,
 * with files of its own for a while. `memory`: its configuration. `url`: an account server.
 */
export type ResolverKind = 'full' | 'cache' | 'memory' | 'url'

/** One server and how it resolves accounts. */
export interface Resolver {
  readonly server: ServerIdentity
  readonly kind: ResolverKind
  /** Of an account server, as the operator's token names it; without user and password. */
  readonly url?: string
}

// Which of the resolver's requests a server listens to tells its kind: only full ones hand out packs of tokens.
const packSubject = '$SYS.REQ.CLAIMS.PACK'
const updateSubject = '$SYS.REQ.CLAIMS.UPDATE'

/**
 * The resolver of every server that answers, by the subscriptions of its system account; nothing is pushed. `memory` and
 * `url` listen to the same, so there the operator's token decides: `url` when it names an account server.
 */
export async function readResolvers(system: Pick<Monitoring, 'ask'>): Promise<Resolver[]> {
  const facts = (await system.ask('VARZ')).map((reply) => ({server: reply.server, ...readVarz(reply)}))
  const accounts = [...new Set(facts.flatMap(({systemAccount}) => systemAccount ?? []))]
  const listening = async (subject: string): Promise<Set<string>> => {
    const found = await Promise.all(accounts.map((account) => readListeners(system, {account, subject})))
    return new Set(found.flat())
  }
  const [packing, updating] = await Promise.all([listening(packSubject), listening(updateSubject)])
  return facts
    .map(({server, url}): Resolver => {
      if (packing.has(server.id)) return {server, kind: 'full'}
      if (updating.has(server.id)) return {server, kind: 'cache'}
      return url === undefined ? {server, kind: 'memory'} : {server, kind: 'url', url}
    })
    .sort((a, b) => (a.server.name < b.server.name ? -1 : 1))
}

/** True where a token that was pushed is there again after a restart, on the server itself or with its peers. */
export function keepsTokens({kind}: Resolver): boolean {
  return kind === 'full' || kind === 'cache'
}

/** The subject that reaches every server's resolver with one push; the general one needs less permission. */
export function pushSubject(resolvers: readonly Resolver[], account: string): string {
  return resolvers.every(keepsTokens) ? updateSubject : `$SYS.REQ.ACCOUNT.${account}.CLAIMS.UPDATE`
}

/** Ids of the servers that listen to exactly this subject themselves; a tap on all subjects is somebody else's. */
async function readListeners(
  system: Pick<Monitoring, 'ask'>,
  {account, subject}: {readonly account: string; readonly subject: string},
): Promise<string[]> {
  const replies = await system.ask('SUBSZ', {account, subscriptions: true, test: subject, limit: 1024})
  return replies.flatMap(({server, data}) => {
    const {subscriptions_list: list} = subszSchema.parse(data ?? {})
    return (list ?? []).some((subscription) => subscription.subject === subject) ? [server.id] : []
  })
}

function readVarz({server, data, error}: SystemReply): {systemAccount?: string; url?: string} {
  const parsed = varzSchema.safeParse(data)
  if (error !== undefined || !parsed.success) {
    throw new ServerError(`Server '${server.name}' does not answer VARZ in a known form.`)
  }
  const {system_account: systemAccount, trusted_operators_claim: claims} = parsed.data
  const url = (claims ?? []).map(({nats}) => accountServer(nats?.account_server_url)).find((each) => each !== undefined)
  return {...(systemAccount ? {systemAccount} : {}), ...(url === undefined ? {} : {url})}
}

/** nsc writes `nats://` where tokens are pushed to the servers themselves. */
function accountServer(text: string | null | undefined): string | undefined {
  const url = /^https?:/i.test(text ?? '') ? URL.parse(text!) : null
  if (url === null) return undefined
  return `${url.protocol}//${url.host}${url.pathname}`
}

const subszSchema = z.object({
  subscriptions_list: z.array(z.object({subject: z.string()})).nullish(),
})

const varzSchema = z.object({
  system_account: z.string().optional(),
  trusted_operators_claim: z
    .array(z.object({nats: z.object({account_server_url: z.string().nullish()}).nullish()}))
    .nullish(),
})
