import {globalAccount} from '../conf/accounts.js'
import {sourceAlias, unroutedAlias} from './aliases.js'

/** All that the configuration of a leaf node's server depends on. */
export interface LeafConfig {
  readonly name: string
  /** `HOST:PORT` where callers connect. */
  readonly listen: string
  /** The only user of its system account, which is ours; undefined: whoever runs it adds one. */
  readonly system?: {readonly user: string; readonly password: string} | undefined
  /** Path of a file with `users`, as the configuration is to include it; undefined: no caller is asked who it is. */
  readonly usersInclude?: string | undefined
  /** The largest message that the account's servers take, in bytes. */
  readonly maxPayload?: number | undefined
  readonly remote: LeafRemote
  readonly logFile?: string | undefined
  readonly pidFile?: string | undefined
  /** Port of the monitoring, where nothing else shows that it is ready. */
  readonly monitorPort?: number | undefined
}

/** How a leaf node's server connects to the account's servers. */
export interface LeafRemote {
  /** With user name and password, or a token, in them where the user has those. */
  readonly urls: readonly string[]
  /** Path of a creds file. */
  readonly credentials?: string | undefined
  /** Seed of an nkey user; a secret. */
  readonly nkeySeed?: string | undefined
  readonly tls?: {
    readonly ca?: string | undefined
    readonly cert?: string | undefined
    readonly key?: string | undefined
    readonly handshakeFirst?: boolean | undefined
  }
  /** Subjects whose requests stay away from it at the account's servers: only callers that connect to it are split. */
  readonly denyImports: readonly string[]
}

/** Name of the account that only we use. */
export const systemAccount = 'LATTICE_SYS'

/** Name of the account of those who call beside a leaf node. */
const callersAccount = 'CALLERS'

/** Name of the account by which their calls reach the sources at the account's servers. */
const upstreamAccount = 'UPSTREAM'

/** Name of the account whose mappings split. */
export function splitAccount(form: 'beside' | 'account-wide'): string {
  return form === 'beside' ? callersAccount : globalAccount
}

/**
 * The configuration file of a leaf node's server. Callers of the whole account are split in the account that needs no
 * name, because only there a reload tells the account's servers of a new source; callers beside it in one of their own,
 * from which a second account leads to the sources, see sourceAlias. No JetStream, no monitoring port.
 */
export function renderLeafConfig(config: LeafConfig): string {
  const {name, listen, system, usersInclude, maxPayload, logFile, pidFile, monitorPort} = config
  const beside = config.remote.denyImports.length > 0
  const remotes = beside
    ? [renderRemote(config.remote, callersAccount), renderRemote({...config.remote, denyImports: []}, upstreamAccount)]
    : [renderRemote(config.remote)]
  const user = system === undefined ? '' : `{user: ${quote(system.user)}, password: ${quote(system.password)}}`
  const lines = [
    '# Written by lattice; changes are lost when the leaf node starts again.',
    `server_name: ${quote(name)}`,
    `listen: ${quote(listen)}`,
    ...(maxPayload === undefined ? [] : [`max_payload: ${maxPayload}`]),
    ...(logFile === undefined ? [] : [`log_file: ${quote(logFile)}`, 'logfile_size_limit: 10MB', 'logfile_max_num: 3']),
    ...(pidFile === undefined ? [] : [`pid_file: ${quote(pidFile)}`]),
    ...(monitorPort === undefined ? [] : [`http: ${quote(`127.0.0.1:${monitorPort}`)}`]),
    'lame_duck_grace_period: 200ms',
    'lame_duck_duration: 30s',
    `accounts {\n${[`  ${systemAccount} {users: [${user}]}`, ...(beside ? callers(config) : [])].join('\n')}\n}`,
    `system_account: ${systemAccount}`,
    ...(beside ? [] : wholeAccount(config)),
    ...(beside && usersInclude === undefined ? ['no_auth_user: caller'] : []),
    `leafnodes {\n  remotes: [\n${remotes.join('\n')}\n  ]\n}`,
  ]
  return `${lines.join('\n')}\n`
}

function wholeAccount({usersInclude}: LeafConfig): string[] {
  return [
    ...(usersInclude === undefined ? [] : [`authorization {\n  include ${quote(usersInclude)}\n}`]),
    "include 'lattice-mappings.conf'",
  ]
}

/** An answer may come in several messages, and whoever asks where a message goes is told. */
function callers({usersInclude, remote: {denyImports}}: LeafConfig): string[] {
  const exports = denyImports.map((source) => `{service: ${quote(source)}, response_type: stream, allow_trace: true}`)
  const imports = denyImports.flatMap((source) =>
    [sourceAlias(source), unroutedAlias(source)].map(
      (to) => `{service: {account: ${upstreamAccount}, subject: ${quote(source)}}, to: ${quote(to)}}`,
    ),
  )
  return [
    `  ${upstreamAccount} {exports: [${exports.join(', ')}]}`,
    `  ${callersAccount} {`,
    // Without a file of users whoever reaches the port is this one, and that is this machine.
    `    ${usersInclude === undefined ? 'users: [{user: caller, password: caller}]' : `include ${quote(usersInclude)}`}`,
    `    imports: [\n${imports.map((one) => `      ${one}`).join('\n')}\n    ]`,
    "    include 'lattice-mappings.conf'",
    '  }',
  ]
}

function renderRemote({urls, credentials, nkeySeed, tls, denyImports}: LeafRemote, account?: string): string {
  const lines = [
    `urls: [${urls.map(quote).join(', ')}]`,
    ...(account === undefined ? [] : [`account: ${account}`]),
    ...(credentials === undefined ? [] : [`credentials: ${quote(credentials)}`]),
    ...(nkeySeed === undefined ? [] : [`nkey: ${quote(nkeySeed)}`]),
    ...(tls === undefined ? [] : [renderTls(tls)]),
    ...(denyImports.length === 0 ? [] : [`deny_imports: [${denyImports.map(quote).join(', ')}]`]),
  ]
  return ['    {', ...lines.map((line) => `      ${line}`), '    }'].join('\n')
}

function renderTls({ca, cert, key, handshakeFirst}: NonNullable<LeafRemote['tls']>): string {
  const entries = [
    ...(ca === undefined ? [] : [`ca_file: ${quote(ca)}`]),
    ...(cert === undefined ? [] : [`cert_file: ${quote(cert)}`]),
    ...(key === undefined ? [] : [`key_file: ${quote(key)}`]),
    ...(handshakeFirst === true ? ['handshake_first: true'] : []),
  ]
  return `tls {${entries.join(', ')}}`
}

function quote(text: string): string {
  return JSON.stringify(text)
}
