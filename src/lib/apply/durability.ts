import {keepsTokens, type Resolver} from './resolver-kind.js'

/** What would undo a change that is live, and the step that makes it last. */
export interface Durability {
  /** How the servers that forget the change resolve accounts; `cache`: none that would keep it answers. */
  readonly kind: 'memory' | 'url' | 'cache'
  /** Names of those servers. */
  readonly servers: readonly string[]
  /** Why it does not last, as a sentence. */
  readonly warning: string
  /** What to do about it, as a sentence; the token itself is never shown. */
  readonly step: string
}

/** What does not last of a change of this account; undefined when every server has it again after a restart. */
export function judgeDurability(resolvers: readonly Resolver[], account: string): Durability | undefined {
  const forgetful = resolvers.filter((resolver) => !keepsTokens(resolver))
  const urls = [...new Set(forgetful.flatMap(({url}) => url ?? []))]
  const servers = forgetful.map(({server}) => server.name)
  if (urls.length > 0) return {kind: 'url', servers, ...urlWords(servers, urls, account)}
  if (forgetful.length > 0) return {kind: 'memory', servers, ...memoryWords(servers, account)}
  if (resolvers.length === 0 || resolvers.some(({kind}) => kind === 'full')) return undefined
  const caches = resolvers.map(({server}) => server.name)
  return {kind: 'cache', servers: caches, ...cacheWords(caches)}
}

type Words = Pick<Durability, 'warning' | 'step'>

function memoryWords(servers: readonly string[], account: string): Words {
  return {
    warning: `${subject(servers)} account tokens in memory only: a restart or a reload brings the old routes back.`,
    step: `Put the new token in place of the old one in the line '${account}' of resolver_preload in the configuration of ${list(servers)}. ${whereToken(account)}`,
  }
}

function urlWords(servers: readonly string[], urls: readonly string[], account: string): Words {
  const plural = servers.length > 1
  return {
    warning: `${plural ? 'Servers' : 'Server'} ${list(servers)} ${plural ? 'have' : 'has'} account tokens from an account server: a restart brings the old routes back.`,
    step: `Give the new token of account '${account}' to the account server ${list(urls)}, or put it into resolver_preload if there is one. ${whereToken(account)}`,
  }
}

function whereToken(account: string): string {
  return `The system account's user gets it by: nats server request accounts --account ${account} (data.account_detail.jwt).`
}

function cacheWords(servers: readonly string[]): Words {
  return {
    warning: `${subject(servers)} account tokens for a while only, and no server with a full resolver answers.`,
    step: 'Run the same command with --repair when the servers with a full resolver are back.',
  }
}

function subject(servers: readonly string[]): string {
  return servers.length > 1 ? `Servers ${list(servers)} keep` : `Server ${list(servers)} keeps`
}

function list(names: readonly string[]): string {
  const quoted = names.map((name) => `'${name}'`)
  return quoted.length > 1 ? `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}` : (quoted[0] ?? '')
}
