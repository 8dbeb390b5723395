import type {ServerIdentity} from '../nats/system.js'
import type {AccountToken} from '../routing/account-jwt.js'
import {readAccountToken} from '../routing/account-jwt.js'
import {compareTables, predictTable, type MappingTable, type TableDifference} from '../routing/effective.js'
import {liveDifferences, readServers, type AccountSource} from './account-state.js'
import type {ServerOutcome, ServerView, Verification} from './driver.js'
import type {Receipt} from './push.js'
import {keepsTokens} from './resolver-kind.js'
import {readStoredTokens} from './stored-token.js'

/**
 * Reads the whole table back from every server and compares it with base plus our change, again until it is so or
 * `withinMs` have passed. A server that does not run the account counts as `stored` when it keeps our token.
 */
export async function verifyPush(source: AccountSource, receipt: Receipt, withinMs: number): Promise<Verification> {
  const deadline = source.clock.now() + withinMs
  for (;;) {
    const verification = await verifyOnce(source, receipt)
    const waiting = verification.outcomes.some(({outcome}) => outcome === 'differs' || outcome === 'missing')
    if (!waiting || source.clock.now() >= deadline) return verification
    await source.clock.sleep(50)
  }
}

async function verifyOnce(source: AccountSource, receipt: Receipt): Promise<Verification> {
  const [servers, all] = await Promise.all([readServers(source), source.system.servers()])
  const complete = servers.length === all.length && servers.every(({live}) => live?.token === receipt.token.text)
  const tokens = complete ? [] : await readStoredTokens(source)
  const foreign = [...tokens, ...runningAlone(source, servers)].filter((token) => isForeign(token, receipt))
  const basis = {
    receipt,
    tokens,
    source,
    current: foreign.length > 0 ? readAccountToken(foreign[0]!) : receipt.token,
  }
  const outcomes = all.map((server) => ({
    server: {name: server.name, id: server.id},
    ...judgeServer(
      server,
      servers.find((view) => view.server.id === server.id),
      basis,
    ),
  }))
  return {outcomes, overtaken: foreign.length > 0}
}

/** The tokens of servers that store none. */
function runningAlone({resolvers}: AccountSource, servers: readonly ServerView[]): string[] {
  const forgetful = new Set(resolvers.filter((each) => !keepsTokens(each)).map(({server}) => server.id))
  return servers.flatMap(({server, live}) => (live !== undefined && forgetful.has(server.id) ? [live.token] : []))
}

/** A server that did not take our token and has the one it had before was not overtaken. */
function isForeign(token: string, {before, token: ours}: Receipt): boolean {
  return token !== ours.text && token !== before.token.text && !before.servers.some(({live}) => live?.token === token)
}

interface Basis {
  readonly receipt: Receipt
  /** Stored tokens; empty when nobody had to ask. */
  readonly tokens: readonly string[]
  readonly source: AccountSource
  /** The token that counts now: ours, or a later one of another tool. */
  readonly current: AccountToken
}

/** What is live counts, not what was answered: a server may refuse a token whose table it has already. */
function judgeServer(
  server: ServerIdentity,
  view: ServerView | undefined,
  basis: Basis,
): Omit<ServerOutcome, 'server'> {
  const {receipt, tokens, source} = basis
  if (view === undefined) return {outcome: 'missing', reason: 'it does not answer'}
  const answer = receipt.replies.find((reply) => reply.server.id === server.id && !reply.accepted)
  const refusal = answer && hideForeign(answer.message, receipt)
  if (view.live !== undefined) {
    const reason = view.live.expired ? 'the account token has expired' : differenceText(view, view.live.table, basis)
    if (reason === undefined) return {outcome: 'applied'}
    return refusal === undefined ? {outcome: 'differs', reason} : {outcome: 'refused', reason: refusal}
  }
  if (refusal !== undefined) return {outcome: 'refused', reason: refusal}
  const resolver = source.resolvers.find((each) => each.server.id === server.id)
  if (resolver !== undefined && !keepsTokens(resolver)) {
    return {outcome: 'missing', reason: 'nobody uses the account there, and it keeps no tokens'}
  }
  // Stored tokens come without their server's name, so only all of them together tell something about one.
  const expected = source.resolvers.filter(({kind}) => kind === 'full').length
  const everywhere = expected > 0 && tokens.length >= expected && tokens.every((token) => token === receipt.token.text)
  return everywhere ? {outcome: 'stored'} : {outcome: 'missing', reason: 'not every stored token is the new one'}
}

/** Servers quote the mapping that they do not like, and it need not be ours. */
function hideForeign(message: string, {change}: Receipt): string {
  const ours = change.flatMap(({source, destinations = []}) => [source, ...destinations.map(({subject}) => subject)])
  return message.replace(/"([^"]*)"/g, (quoted, text: string) => (ours.includes(text) ? quoted : '"…"'))
}

function differenceText({server}: ServerView, table: MappingTable, {receipt, current}: Basis): string | undefined {
  const sources = new Set(receipt.change.map(({source}) => source))
  const wanted = predictTable(receipt.token.mappings)
  const others = [...predictTable(current.mappings)].filter(([source]) => !sources.has(source))
  const asked = new Map([...others, ...[...wanted].filter(([source]) => sources.has(source))])
  const known = receipt.before.servers.find((view) => view.server.id === server.id)
  const tolerated = known === undefined ? [] : liveDifferences(known, receipt.before.token)
  const differences = compareTables(asked, table).filter(
    (difference) => sources.has(difference.source) || !tolerated.some((old) => sameDifference(old, difference)),
  )
  if (differences.length === 0) return undefined
  const foreign = differences.filter(({source}) => !sources.has(source)).length
  const ours = differences.length > foreign ? ['our mapping is not live'] : []
  return [...ours, ...(foreign > 0 ? [`${foreign} other mappings differ`] : [])].join(', ')
}

/** A foreign mapping that was not live before us is not our failure, as long as it is the same one. */
function sameDifference(old: TableDifference, now: TableDifference): boolean {
  return old.source === now.source && JSON.stringify(old.effective) === JSON.stringify(now.effective)
}
