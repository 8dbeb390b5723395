import {parseLatticeName} from '../entity/entity.js'
import {ConnectionError, UsageError} from '../errors.js'
import {readContext, selectedContext, type Context} from './context-files.js'
import type {ConnectSpec, Credentials} from './spec.js'

/** What the command line says about the connection; everything else comes from the environment and contexts. */
export interface ConnectFlags {
  readonly server?: string | undefined
  readonly context?: string | undefined
  readonly creds?: string | undefined
  readonly lattice?: string | undefined
  readonly timeout?: number | undefined
  readonly sysContext?: string | undefined
  readonly sysCreds?: string | undefined
  readonly operatorSeedFile?: string | undefined
  readonly clusterSeedFile?: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const defaultServer = 'nats://127.0.0.1:4222'
const defaultTimeoutMs = 5000
const longestConnectMs = 5000

/**
 * Weighs flags, `LATTICE_*`, the named context, `NATS_*` and the selected context, in this order. Credentials are one
 * group: those of a stronger source replace all of a weaker one, and `NATS_URL` with a credential variable leaves the
 * selected context out altogether.
 */
export async function resolveSpec(flags: ConnectFlags, environment: Environment): Promise<ConnectSpec> {
  const env = (name: string): string | undefined => environment[name] || undefined
  // Everybody on the machine sees the arguments of a program.
  if (flags.server?.includes('@') === true) throw new SecretInArgumentError()
  const natsCredentials = environmentCredentials('NATS', env) ?? userInfo(env('NATS_URL'))
  const named = flags.context ?? env('LATTICE_CONTEXT')
  const ignoreSelected = env('NATS_URL') !== undefined && natsCredentials !== undefined
  const context = await chooseContext(named, ignoreSelected)
  const base = context === undefined ? undefined : contextSpec(context)
  // A named context is stronger than NATS_*, a selected one weaker.
  const fromContext = named === undefined ? undefined : base
  const server =
    flags.server ?? env('LATTICE_URL') ?? fromContext?.servers ?? env('NATS_URL') ?? base?.servers ?? defaultServer
  const credentials =
    (flags.creds === undefined ? undefined : ({kind: 'creds', file: flags.creds} as const)) ??
    environmentCredentials('LATTICE', env) ??
    userInfo(env('LATTICE_URL')) ??
    fromContext?.credentials ??
    natsCredentials ??
    base?.credentials
  const timeoutMs = flags.timeout ?? defaultTimeoutMs
  const {credentials: _ours, servers: _theirs, ...rest} = base ?? emptySpec()
  return dropUndefined({
    ...rest,
    servers: typeof server === 'string' ? splitServers(server) : server,
    credentials,
    lattice: parseLatticeName(flags.lattice ?? env('LATTICE_LATTICE') ?? rest.lattice),
    sysContext: flags.sysContext ?? env('LATTICE_SYS_CONTEXT') ?? rest.sysContext,
    sysCreds: flags.sysCreds ?? (flags.sysContext === undefined ? env('LATTICE_SYS_CREDS') : undefined),
    operatorKeyFile: flags.operatorSeedFile ?? env('LATTICE_OPERATOR_SEED_FILE') ?? rest.operatorKeyFile,
    clusterSeedFile: flags.clusterSeedFile ?? env('LATTICE_CLUSTER_SEED_FILE') ?? rest.clusterSeedFile,
    timeoutMs,
    connectTimeoutMs: Math.min(timeoutMs, longestConnectMs),
  })
}

/** A server was given with its user and password, where only its address belongs. */
class SecretInArgumentError extends UsageError {
  constructor() {
    super('--server takes no user or password: every program on this machine could read them.', {
      suggestions: ['LATTICE_USER and LATTICE_PASSWORD, or LATTICE_TOKEN', '--creds FILE', '--context NAME'],
    })
  }
}

/** The spec that a context alone stands for. Fields that this release cannot honour are refused by name. */
export function contextSpec({name, nats, lattice}: Context): ConnectSpec {
  for (const field of ['socks_proxy', 'nsc', 'windows_cert_store'] as const) {
    if (nats[field]) throw unsupportedField(name, field)
  }
  for (const [field, value] of Object.entries(nats)) {
    if (typeof value === 'string' && /^(op|nsc|env|file|data):/.test(value)) throw unsupportedField(name, field)
  }
  const {ca, cert, key, tls_first: handshakeFirst} = nats
  return dropUndefined({
    ...emptySpec(),
    servers: splitServers(nats.url ?? defaultServer),
    credentials: pickCredentials(nats) ?? userInfo(nats.url),
    tls:
      ca || cert || key || handshakeFirst
        ? dropUndefined({ca: ca || undefined, cert: cert || undefined, key: key || undefined, handshakeFirst})
        : undefined,
    jsDomain: nats.jetstream_domain || undefined,
    jsApiPrefix: nats.jetstream_api_prefix || undefined,
    inboxPrefix: nats.inbox_prefix || undefined,
    context: name,
    lattice: lattice.lattice ?? 'default',
    sysContext: lattice.sysContext,
    operatorKeyFile: lattice.operatorKeyFile,
    clusterSeedFile: lattice.clusterSeedFile,
    protected: lattice.protected ?? false,
  })
}

function emptySpec(): ConnectSpec {
  return {
    servers: [],
    lattice: 'default',
    protected: false,
    timeoutMs: defaultTimeoutMs,
    connectTimeoutMs: longestConnectMs,
  }
}

async function chooseContext(named: string | undefined, ignoreSelected: boolean): Promise<Context | undefined> {
  if (named !== undefined) return readContext(named)
  const selected = ignoreSelected ? undefined : await selectedContext()
  return selected === undefined ? undefined : readContext(selected)
}

/** As natscli picks: user, else creds, else nkey, else token of a user. A user without password is a token. */
function environmentCredentials(prefix: string, env: (name: string) => string | undefined): Credentials | undefined {
  return pickCredentials({
    user: env(`${prefix}_USER`),
    password: env(`${prefix}_PASSWORD`),
    creds: env(`${prefix}_CREDS`),
    nkey: env(`${prefix}_NKEY`),
    user_jwt: env(`${prefix}_JWT`),
    user_seed: env(`${prefix}_SEED`),
    token: env(`${prefix}_TOKEN`),
  })
}

interface CredentialFields {
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly creds?: string | undefined
  readonly nkey?: string | undefined
  readonly user_jwt?: string | undefined
  readonly user_seed?: string | undefined
  readonly token?: string | undefined
}

function pickCredentials({
  user,
  password,
  creds,
  nkey,
  user_jwt: jwt,
  user_seed: seed,
  token,
}: CredentialFields): Credentials | undefined {
  if (user) return password ? {kind: 'user', user, password} : {kind: 'token', token: user}
  if (creds) return {kind: 'creds', file: creds}
  if (nkey) return {kind: 'nkey', file: nkey}
  if (jwt) return {kind: 'jwt', jwt, ...(seed ? {seed} : {})}
  return token ? {kind: 'token', token} : undefined
}

/** User and password, or a token, that stand in the first address that has any; the client itself ignores them. */
function userInfo(addresses: string | undefined): Credentials | undefined {
  for (const server of addresses?.split(',') ?? []) {
    const written = /^\s*(?:\w+:\/\/)?([^@/]*)@/.exec(server)?.[1]
    if (written === undefined || written === '') continue
    const [user, password] = written.split(':', 2).map(decodePercent)
    return pickCredentials({user, password})
  }
  return undefined
}

/** A password may hold a bare %. */
function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function splitServers(text: string): string[] {
  const servers = text
    .split(',')
    .map((server) => server.trim().replace(/^(\w+:\/\/)?[^@/]*@/, '$1'))
    .filter((server) => server !== '')
  for (const server of servers) {
    if (/^wss?:/i.test(server)) {
      throw new UsageError(`The websocket address '${server}' is not supported.`, {
        suggestions: ['--server nats://HOST:4222'],
      })
    }
    if (/\s|\p{C}/u.test(server)) throw new UsageError(`${JSON.stringify(server)} is not a server address.`)
  }
  return servers.length > 0 ? servers : [defaultServer]
}

function unsupportedField(context: string, field: string): ConnectionError {
  return new ConnectionError(`The field '${field}' of context '${context}' is not supported by this release.`, {
    suggestions: ['Give the connection by flags, such as --server and --creds.'],
    details: {context, field},
  })
}

/** Absent keys instead of undefined ones, as exact optional properties want them. */
function dropUndefined<T extends object>(fields: T): {[K in keyof T]: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
