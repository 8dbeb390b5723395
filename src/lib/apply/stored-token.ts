import type {Clock} from '../clock.js'
import {ConflictError, ConnectionError} from '../errors.js'
import {requestMany} from '../nats/request.js'
import type {SystemClient} from '../nats/system.js'
import {readAccountToken, type AccountToken} from '../routing/account-jwt.js'
import type {ReadOptions} from './driver.js'
import {keepsTokens, type Resolver} from './resolver-kind.js'
import {readAccountReply} from './system-replies.js'

/** What an account's token is read through. */
export interface TokenSource {
  readonly system: SystemClient
  readonly account: string
  readonly clock: Clock
  readonly resolvers: readonly Resolver[]
  /** The token where no server has one, such as that of an nsc store. */
  readonly given?: AccountToken
}

const agreeWithinMs = 2000

/**
 * The token that the next change rests on: of the servers that store it, else of those that run the account, else the
 * given one. Throws a TokensDifferError when they differ for two seconds and a NoStoredTokenError when there is none.
 */
export async function readBaseToken(source: TokenSource, options: ReadOptions = {}): Promise<BaseToken> {
  const {clock, account} = source
  const deadline = clock.now() + agreeWithinMs
  for (;;) {
    const found = await readTokens(source)
    const tokens = [...found.stored, ...found.running]
    if (tokens.length === 0) {
      if (source.given?.account === account) return {token: source.given, agreed: true}
      throw new NoStoredTokenError(account)
    }
    const newest = newestOf(tokens)
    const agreed = agree(found, newest)
    if (options.newest === true || agreed) return {token: newest, agreed}
    if (clock.now() > deadline) throw new TokensDifferError(account, new Set(tokens).size, source.resolvers)
    await clock.sleep(50)
  }
}

/** The token that counts. */
export interface BaseToken {
  readonly token: AccountToken
  /** False where some server has an older one. */
  readonly agreed: boolean
}

/** What servers have of an account's token. */
export interface FoundTokens {
  /** Of servers that store it. */
  readonly stored: readonly string[]
  /** Of servers that only run it. */
  readonly running: readonly string[]
}

/** The tokens that servers have; where a server stores its token, the one that it runs is left out. */
export async function readTokens(source: TokenSource): Promise<FoundTokens> {
  const {resolvers} = source
  const someFull = resolvers.some(({kind}) => kind === 'full')
  const onlyRunning = resolvers.filter((each) => !(someFull ? keepsTokens(each) : each.kind === 'full'))
  const [stored, running] = await Promise.all([
    readStoredTokens(source),
    onlyRunning.length === 0 ? [] : readRunning(source, new Set(onlyRunning.map(({server}) => server.id))),
  ])
  return {stored, running}
}

/** A server that forgot what the others store is mended by the next push; it knows nothing that would be lost. */
function agree({stored, running}: FoundTokens, newest: AccountToken): boolean {
  const kept = stored.length > 0 ? stored : running
  return kept.every((text) => text === newest.text)
}

/** The tokens that servers with a full resolver store; those that do not know the account give none. */
export async function readStoredTokens({system, account, resolvers}: TokenSource): Promise<string[]> {
  const expect = resolvers.filter(({kind}) => kind === 'full').length
  if (expect === 0) return []
  const subject = `$SYS.REQ.ACCOUNT.${account}.CLAIMS.LOOKUP`
  const replies = await requestMany(system.connection, subject, '', {
    timeoutMs: Math.min(system.timeoutMs, 5000),
    stallMs: 500,
    expect,
  })
  return replies.map((reply) => reply.string().trim()).filter((token) => token !== '')
}

/**
 * Lets servers that keep no tokens load the account, by asking for its connections: one where nobody uses it would
 * answer a push 200, skip it, and take the old token from its configuration later.
 */
export async function loadAccount({system, account, resolvers}: Omit<TokenSource, 'clock'>): Promise<void> {
  if (resolvers.every(keepsTokens)) return
  await system.ask('CONNZ', {acc: account, limit: 1})
}

async function readRunning(source: TokenSource, wanted: ReadonlySet<string>): Promise<string[]> {
  await loadAccount(source)
  const replies = await source.system.ask('ACCOUNTZ', {account: source.account})
  return replies.flatMap((reply) => {
    const token = wanted.has(reply.server.id) ? readAccountReply(reply)?.token : undefined
    return token === undefined || token === '' ? [] : [token]
  })
}

function newestOf(texts: readonly string[]): AccountToken {
  return texts.map(readAccountToken).reduce((newest, token) => (token.issuedAt > newest.issuedAt ? token : newest))
}

/** No server has the account's token, so there is nothing to change. */
export class NoStoredTokenError extends ConnectionError {
  constructor(account: string) {
    super(`No server keeps a token of account '${account}' that can be changed.`, {
      suggestions: ['nats server account info', '--nsc-store OPERATOR with a store that has the account'],
      details: {account},
    })
  }
}

/** Some server missed an earlier push, or was restarted since with the token of its configuration. */
export class TokensDifferError extends ConflictError {
  constructor(account: string, count: number, resolvers: readonly Resolver[]) {
    const keeps = resolvers.every(keepsTokens)
    super(
      `The servers hold ${count} different tokens of account '${account}', so none of them can be changed safely.`,
      {
        suggestions: keeps
          ? ['Try again after the resolver interval (2 minutes by default), when they have synchronised.']
          : ['Give all servers the same token: the same resolver_preload, or the same answer of the account server.'],
        details: {account, count},
      },
    )
  }
}
