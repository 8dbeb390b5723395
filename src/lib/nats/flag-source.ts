import {parseLatticeName} from '../entity/entity.js'
import {UsageError} from '../errors.js'
import {readInput} from '../files/read-input.js'
import {parseServers} from './addresses.js'
import {firstSystem, jetstream, parseInboxPrefix, type Setting, type Settings, type Source} from './settings.js'
import type {Credentials} from './spec.js'

/** What the command line says about the connection; everything else comes from the environment and contexts. */
export interface ConnectFlags {
  readonly server?: string | undefined
  readonly context?: string | undefined
  readonly trustContext?: boolean | undefined
  readonly creds?: string | undefined
  readonly nkey?: string | undefined
  readonly user?: string | undefined
  /** Path of a file, or `-` for stdin. */
  readonly passwordFile?: string | undefined
  readonly tlsCa?: string | undefined
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  readonly tlsFirst?: boolean | undefined
  readonly socksProxy?: string | undefined
  readonly jsDomain?: string | undefined
  readonly jsApiPrefix?: string | undefined
  readonly inboxPrefix?: string | undefined
  readonly lattice?: string | undefined
  readonly dialect?: 'v0' | 'v1' | undefined
  /** Milliseconds. */
  readonly timeout?: number | undefined
  /** Milliseconds. */
  readonly connectTimeout?: number | undefined
  readonly sysContext?: string | undefined
  readonly sysCreds?: string | undefined
  readonly sysAccountSeedFile?: string | undefined
  readonly operatorSeedFile?: string | undefined
  readonly nscStore?: string | undefined
  readonly clusterSeedFile?: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/** What the flags say; throws a UsageError for what cannot be meant. */
export async function flagSource(flags: ConnectFlags, env: Environment): Promise<Source> {
  // Everybody on the machine sees the arguments of a program.
  if (flags.server?.includes('@') === true) throw new SecretInArgumentError('--server')
  if (flags.socksProxy?.includes('@') === true) throw new SecretInArgumentError('--socks-proxy')
  const {jsDomain, jsApiPrefix} = flags
  return {
    servers: typed(flags.server === undefined ? undefined : parseServers(flags.server), '--server'),
    credentials: await credentials(flags, env),
    tlsCa: typed(flags.tlsCa, '--tls-ca'),
    tlsPair: tlsPair(flags),
    tlsFirst: typed(flags.tlsFirst, '--tls-first'),
    socksProxy: typed(flags.socksProxy, '--socks-proxy'),
    jetstream: jetstream(jsDomain, jsApiPrefix, jsDomain === undefined ? '--js-api-prefix' : '--js-domain'),
    inboxPrefix: typed(
      flags.inboxPrefix === undefined ? undefined : parseInboxPrefix(flags.inboxPrefix),
      '--inbox-prefix',
    ),
    lattice: typed(flags.lattice === undefined ? undefined : parseLatticeName(flags.lattice), '--lattice'),
    dialect: typed(flags.dialect, '--dialect'),
    system: firstSystem([
      ['sysCreds', typed(flags.sysCreds, '--sys-creds')],
      ['sysContext', typed(flags.sysContext, '--sys-context')],
      ['sysAccountKeyFile', typed(flags.sysAccountSeedFile, '--sys-account-seed-file')],
    ]),
    operatorKeyFile: typed(flags.operatorSeedFile, '--operator-seed-file'),
    nscStore: typed(flags.nscStore, '--nsc-store'),
    clusterSeedFile: typed(flags.clusterSeedFile, '--cluster-seed-file'),
    timeoutMs: typed(flags.timeout, '--timeout'),
    connectTimeoutMs: typed(flags.connectTimeout, '--connect-timeout'),
  }
}

async function credentials(
  {creds, nkey, user, passwordFile}: ConnectFlags,
  env: Environment,
): Promise<Setting<Credentials> | undefined> {
  const given = Object.entries({'--creds': creds, '--nkey': nkey, '--user': user}).filter(([, value]) => value)
  if (given.length > 1) {
    throw new UsageError(`${given.map(([flag]) => flag).join(' and ')} exclude each other: credentials are one group.`)
  }
  if (passwordFile !== undefined && user === undefined) throw new UsageError('--password-file wants --user.')
  if (creds !== undefined) return {value: {kind: 'creds', file: creds}, from: '--creds'}
  if (nkey !== undefined) return {value: {kind: 'nkey', file: nkey}, from: '--nkey'}
  if (user === undefined) return undefined
  const password = passwordFile === undefined ? env['LATTICE_PASSWORD'] : await readPassword(passwordFile)
  if (!password) {
    throw new UsageError(`There is no password for the user '${user}'.`, {
      suggestions: ['LATTICE_PASSWORD', '--password-file FILE, or - for stdin'],
    })
  }
  return {value: {kind: 'user', user, password}, from: '--user'}
}

async function readPassword(file: string): Promise<string> {
  return (await readInput(file, 'password')).replace(/\r?\n$/, '')
}

function tlsPair({tlsCert: cert, tlsKey: key}: ConnectFlags): Setting<Settings['tlsPair']> | undefined {
  if (cert !== undefined && key !== undefined) return {value: {cert, key}, from: '--tls-cert'}
  if (cert !== undefined) throw new UsageError('--tls-cert wants --tls-key.')
  if (key !== undefined) throw new UsageError('--tls-key wants --tls-cert.')
  return undefined
}

/** A secret was given where every program on this machine can read it. */
class SecretInArgumentError extends UsageError {
  constructor(flag: string) {
    super(`${flag} takes no user or password: every program on this machine could read them.`, {
      suggestions:
        flag === '--server'
          ? ['LATTICE_USER and LATTICE_PASSWORD, or LATTICE_TOKEN', '--creds FILE', '--context NAME']
          : ['LATTICE_SOCKS_PROXY', '--context NAME'],
    })
  }
}

function typed<T>(value: T | undefined, from: string): Setting<T> | undefined {
  return value === undefined ? undefined : {value, from}
}
