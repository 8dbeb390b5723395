import type {NatsConnection} from '@nats-io/transport-node'

import {ConnectionError} from '../errors.js'
import {WebsocketError, withoutUserInfo} from './addresses.js'
import {authenticator} from './creds.js'
import {rememberFarewell} from './farewell.js'
import {growingDelay} from './growing-delay.js'
import {openFirst} from './open-first.js'
import {openTarget, type Plan} from './open-target.js'
import {isTooOld, ServerTooOldError} from './server-version.js'
import type {SocksRelay} from './socks.js'
import type {ConnectSpec} from './spec.js'
import {dialAddress, parseTarget, type Target} from './target.js'

export interface OpenOptions {
  /** Client name shown by the server; default `lattice`. */
  readonly name?: string
  /** Long-running services stay; a command gives up with its timeout. */
  readonly reconnect?: 'forever' | 'while-open'
}

/** Client name of connections to the system account; nobody is asked why one of them is refused. */
export const systemClientName = 'lattice system'

/** What may be spent on asking the system account why a user is refused, in milliseconds. */
const longestInquiryMs = 2000

/**
 * Opens a connection to any one of the servers: the only place that does. Throws a ConnectionError that says which of the
 * many reasons it was; takes at most `spec.connectTimeoutMs` in all, and with questions to the system account at most
 * `spec.timeoutMs`.
 */
export async function openConnection(spec: ConnectSpec, options: OpenOptions = {}): Promise<NatsConnection> {
  const started = performance.now()
  const relay = spec.socksProxy === undefined ? undefined : await openRelay(spec, spec.socksProxy)
  try {
    const targets = await targetsOf(spec, relay)
    const plan = await planOf(spec, {...options, targets, relay, deadline: started + spec.connectTimeoutMs})
    const timeMs = Math.max(0, plan.deadline - performance.now())
    const opened = await openFirst(targets, timeMs, (target, wanted) => openTarget(plan, target, wanted))
    if (!(opened instanceof Array)) return await settle(opened, {targets, relay, spec})
    const {connectFailure} = await import('./connect-failure.js')
    const left = options.name === systemClientName ? 0 : started + spec.timeoutMs - performance.now()
    throw await connectFailure(spec, {
      login: plan.login,
      targets,
      attempts: opened,
      inquiryMs: Math.max(0, Math.min(longestInquiryMs, left)),
    })
  } catch (error) {
    relay?.[Symbol.dispose]()
    throw error
  }
}

interface Setting {
  readonly targets: readonly Target[]
  readonly relay: SocksRelay | undefined
  readonly deadline: number
}

async function planOf(
  spec: ConnectSpec,
  {targets, relay, deadline, name = 'lattice', reconnect}: Setting & OpenOptions,
): Promise<Plan> {
  const login = await authenticator(spec)
  const tls = spec.tls === undefined ? undefined : await (await import('./tls.js')).readTls(spec.tls, spec)
  const tlsFirst = spec.tls?.handshakeFirst === true
  return {
    options: {
      name,
      reconnectJitter: 50,
      reconnectJitterTLS: 50,
      ...(reconnect === 'forever'
        ? {...serviceOptions, reconnectDelayHandler: growingDelay(() => performance.now())}
        : commandOptions),
      ...(relay === undefined ? {} : {ignoreClusterUpdates: true}),
      ...(spec.inboxPrefix === undefined ? {} : {inboxPrefix: spec.inboxPrefix}),
    },
    login,
    tls,
    tlsFirst,
    tlsOptions: async (material) =>
      (await import('./tls.js')).tlsOptions(material, {targets, handshakeFirst: tlsFirst}),
    proxyFailure: (target) => relay?.failure(target),
    deadline,
    waitMs: spec.connectTimeoutMs,
  }
}

/** A command gives up after a second or two. */
const commandOptions = {maxReconnectAttempts: 10, reconnectTimeWait: 100} as const

/**
 * A service outlives a server that does not know its account yet, and makes thousands of requests, of which each would
 * record the stack it came from.
 */
const serviceOptions = {
  maxReconnectAttempts: -1,
  pingInterval: 10_000,
  ignoreAuthErrorAbort: true,
  noAsyncTraces: true,
} as const

/** The servers in an order of chance, as all clients of NATS do, so that not everybody takes the first. */
async function targetsOf({servers}: ConnectSpec, relay: SocksRelay | undefined): Promise<Target[]> {
  const shuffled = servers
    .map((address) => ({address, rank: Math.random()}))
    .sort((one, other) => one.rank - other.rank)
    .map(({address}) => parseAddress(address))
  return relay === undefined ? shuffled : Promise.all(shuffled.map((target) => relay.reach(target)))
}

function parseAddress(address: string): Target {
  if (/^wss?:/i.test(address)) throw new WebsocketError(address)
  const target = parseTarget(address)
  if (target === undefined) throw new ConnectionError(`'${withoutUserInfo(address)}' is not the address of a server.`)
  return target
}

async function openRelay(spec: ConnectSpec, proxy: string): Promise<SocksRelay> {
  const {SocksRelay} = await import('./socks.js')
  return new SocksRelay(proxy, spec.connectTimeoutMs)
}

/** Makes a new connection what it stays to its end. */
async function settle(
  connection: NatsConnection,
  {targets, relay, spec}: Omit<Setting, 'deadline'> & {readonly spec: ConnectSpec},
): Promise<NatsConnection> {
  const version = connection.info?.version ?? ''
  if (isTooOld(version)) {
    await connection.close()
    throw new ServerTooOldError(version, {...spec, server: connection.getServer()})
  }
  rememberFarewell(connection)
  if (targets.length > 1) {
    const known = connection.getServers().map(({listen}) => listen)
    connection.setServers([...new Set([...known, ...targets.map(dialAddress)])])
  }
  if (relay !== undefined) void connection.closed().then(() => relay[Symbol.dispose]())
  return connection
}
