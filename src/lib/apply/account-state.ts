import {createHash} from 'node:crypto'

import type {Clock} from '../clock.js'
import type {Monitoring, ServerIdentity} from '../nats/system.js'
import type {AccountToken} from '../routing/account-jwt.js'
import {compareTables, decodeTable, predictTable, type TableDifference} from '../routing/effective.js'
import type {TrustedOperator} from '../routing/trust.js'
import type {ReadOptions, ServerView, TableView} from './driver.js'
import {readResolvers} from './resolver-kind.js'
import {loadAccount, readBaseToken, type TokenSource} from './stored-token.js'
import {readAccountReply, readNeighbours, readVarzReply} from './system-replies.js'

/** An account as the servers store and serve it at one moment. */
export interface AccountView extends TableView {
  readonly account: string
  /** The stored token, the same on every server that keeps tokens. */
  readonly token: AccountToken
}

/** Whom the servers trust, and what time it is there. */
export interface ServersFacts {
  readonly trust: readonly {readonly server: string; readonly operators: readonly TrustedOperator[]}[]
  /** Server time minus ours, in milliseconds. */
  readonly clockOffsetMs: number
  /** Servers that others are connected to and that did not answer us. */
  readonly silent: readonly Pick<ServerIdentity, 'id' | 'name'>[]
}

/** What the account's readers need: the system account's connection, a clock, and who keeps tokens. */
export type AccountSource = TokenSource

/** Finds out how every server resolves accounts, which all reading rests on. */
export async function openSource(source: Omit<AccountSource, 'resolvers'>): Promise<AccountSource> {
  return {...source, resolvers: await readResolvers(source.system)}
}

/**
 * Reads token and effective tables from every server. Throws a TokensDifferError when the servers' tokens differ for
 * two seconds, and a NoStoredTokenError when none keeps tokens.
 */
export async function readAccount(source: AccountSource, options: ReadOptions = {}): Promise<AccountView> {
  await loadAccount(source)
  const [{token, agreed}, servers] = await Promise.all([readBaseToken(source, options), readServers(source)])
  return {...viewOf(token, servers), agreed}
}

/** A token as drivers show what they change. */
function viewOf(token: AccountToken, servers: readonly ServerView[]): AccountView {
  const {account, mappings, text} = token
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`
  return {account, token, mappings, servers, digest}
}

/** The tables that are live, a server each; sorted by name. The account is its public key, or its name in a configuration. */
export async function readServers({
  system,
  account,
}: {
  readonly system: Pick<Monitoring, 'ask'>
  readonly account: string
}): Promise<ServerView[]> {
  const replies = await system.ask('ACCOUNTZ', {account})
  return replies
    .map((reply) => {
      const loaded = readAccountReply(reply)
      return {
        server: reply.server,
        ...(loaded === undefined
          ? {}
          : {live: {token: loaded.token, table: decodeTable(loaded.mappings), expired: loaded.expired}}),
      }
    })
    .sort((a, b) => (a.server.name < b.server.name ? -1 : 1))
}

/** Whom every server trusts and how far its clock is from ours. */
export async function readFacts({
  system,
  clock,
}: {
  readonly system: Pick<Monitoring, 'ask' | 'servers'>
  readonly clock: Clock
}): Promise<ServersFacts> {
  const asked = clock.now()
  const [replies, silent] = await Promise.all([system.ask('VARZ'), readSilent(system)])
  const facts = replies.map((reply) => ({server: reply.server.name, ...readVarzReply(reply)}))
  const [first] = facts.flatMap(({now}) => (now === undefined ? [] : [now]))
  const middle = (asked + clock.now()) / 2
  return {
    trust: facts.map(({server, operators}) => ({server, operators})),
    clockOffsetMs: first === undefined ? 0 : Math.round(first - middle),
    silent,
  }
}

/** A lone server has no neighbours to ask about. */
async function readSilent(system: Pick<Monitoring, 'ask' | 'servers'>): Promise<ServersFacts['silent']> {
  const servers = await system.servers()
  if (servers.every(({cluster}) => cluster === undefined)) return []
  const [routes, gateways] = await Promise.all([system.ask('ROUTEZ'), system.ask('GATEWAYZ')])
  const named = [...routes.flatMap(readNeighbours), ...gateways.flatMap(readNeighbours)]
  const unheard = named.filter(({id, name}) => !servers.some((server) => server.id === id || server.name === name))
  return [...new Map(unheard.map((server) => [server.id, server])).values()]
}

/** Where what is live on a server is not what its token says: trouble that was there before us. */
export function liveDifferences({live}: ServerView, token: AccountToken): TableDifference[] {
  return live === undefined ? [] : compareTables(predictTable(token.mappings), live.table)
}
