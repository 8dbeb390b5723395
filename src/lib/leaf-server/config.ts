import {globalAccount} from '../conf/accounts.js'

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
  /** Where our file of mappings is, as the configuration is to include it; default: beside it. */
  readonly mappingsInclude?: string | undefined
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

/** Accounts of the leaf node that are connected to the account's servers. */
export function linkedAccounts(form: 'beside' | 'account-wide'): readonly string[] {
  return form === 'beside' ? [callersAccount, upstreamAccount] : [globalAccount]
}

/** Name of the account whose mappings split. */
export function splitAccount(form: 'beside' | 'account-wide'): string {
  return form === 'beside' ? callersAccount : globalAccount
}

/**
 * The configuration file of a leaf node's server. Callers of the whole account are split in the account that needs no
 * name, because only there a reload tells the account's servers of a new source; callers beside it in one of their own.
 * No JetStream, no monitoring port.
 */
export function renderLeafConfig(config: LeafConfig): string {
  const {name, listen, system, usersInclude, maxPayload, logFile, pidFile, monitorPort} = config
  const beside = config.remote.denyImports.length > 0
  const remotes = beside ? remotesBeside(config.remote) : [renderRemote(config.remote)]
  const user = system === undefined ? '' : `{user: ${quote(system.user)}, password: ${quote(system.password)}}`
  const lines = [
    logFile === undefined
      ? '# A leaf node, written by lattice; each one needs a server_name of its own.'
      : '# Written by lattice; changes are lost when the leaf node starts again.',
    `server_name: ${quoteOrName(name)}`,
    `listen: ${quote(listen)}`,
    ...(maxPayload === undefined ? [] : [`max_payload: ${maxPayload}`]),
    ...(logFile === undefined ? [] : [`log_file: ${quote(logFile)}`, 'logfile_size_limit: 10MB', 'logfile_max_num: 3']),
    ...(pidFile === undefined ? [] : [`pid_file: ${quote(pidFile)}`]),
    ...(monitorPort === undefined ? [] : [`http: ${quote(`127.0.0.1:${monitorPort}`)}`]),
    `accounts {\n${[`  ${systemAccount} {users: [${user}]}`, ...(beside ? callers(config) : [])].join('\n')}\n}`,
    `system_account: ${systemAccount}`,
    defaultDomains(beside ? 'beside' : 'account-wide'),
    ...(beside ? [] : wholeAccount(config)),
    ...(beside && usersInclude === undefined ? ['no_auth_user: caller'] : []),
    `leafnodes {\n  remotes: [\n${remotes.join('\n')}\n  ]\n}`,
  ]
  return `${lines.join('\n')}\n`
}

/** Without it a server keeps what callers ask of JetStream from the account's servers, as it might have one of its own. */
function defaultDomains(form: 'beside' | 'account-wide'): string {
  const domains = linkedAccounts(form).map((account) => `${quote(account)}: ""`)
  return `default_js_domain: {${domains.join(', ')}}`
}

function wholeAccount(config: LeafConfig): string[] {
  const {usersInclude} = config
  return [
    ...(usersInclude === undefined ? [] : [`authorization {\n  include ${quote(usersInclude)}\n}`]),
    includeMappings(config),
  ]
}

/**
 * What is kept away from a leaf node beside its callers (`deny_imports`) cannot leave it that way either: before the
 * first route and for the share of a version on the source itself every call would be a 503. So the sources leave
 * through a second account of the same server, and that way alone, or a call could take both.
 */
function remotesBeside({denyImports, ...remote}: LeafRemote): string[] {
  const denied = `deny_exports: [${denyImports.map(quote).join(', ')}]`
  return [
    renderRemote({...remote, denyImports}, [`account: ${callersAccount}`, denied]),
    renderRemote({...remote, denyImports: []}, [`account: ${upstreamAccount}`]),
  ]
}

/**
 * Imported as services, not as a stream: an answer takes the way back that its call came, so that none comes before the
 * servers know of the caller. It may come in several messages, each within 30 s of the one before.
 */
function callers(config: LeafConfig): string[] {
  const {usersInclude, remote} = config
  const sources = remote.denyImports.map(quote)
  const exports = sources.map((source) => {
    return `{service: ${source}, response_type: stream, threshold: "30s", allow_trace: true}`
  })
  const imports = sources.map((source) => `{service: {account: ${upstreamAccount}, subject: ${source}}}`)
  return [
    `  ${upstreamAccount} {`,
    `    exports: [\n${exports.map((one) => `      ${one}`).join('\n')}\n    ]`,
    '  }',
    `  ${callersAccount} {`,
    // Without a file of users whoever reaches the port is this one, and that is this machine.
    `    ${usersInclude === undefined ? 'users: [{user: caller, password: caller}]' : `include ${quote(usersInclude)}`}`,
    `    imports: [\n${imports.map((one) => `      ${one}`).join('\n')}\n    ]`,
    `    ${includeMappings(config)}`,
    '  }',
  ]
}

/** What users may ask of servers about themselves: answers of a leaf node's server would come among those of the account's. */
const ownQuestions = '$SYS.REQ.>'

function renderRemote(
  {urls, credentials, nkeySeed, tls, denyImports}: LeafRemote,
  more: readonly string[] = [],
): string {
  const lines = [
    `urls: [${urls.map(quoteOrName).join(', ')}]`,
    ...more,
    ...(credentials === undefined ? [] : [`credentials: ${quote(credentials)}`]),
    ...(nkeySeed === undefined ? [] : [`nkey: ${quoteOrName(nkeySeed)}`]),
    ...(tls === undefined ? [] : [renderTls(tls)]),
    `deny_imports: [${[...denyImports, ownQuestions].map(quote).join(', ')}]`,
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

function includeMappings({mappingsInclude = 'lattice-mappings.conf'}: LeafConfig): string {
  return `include ${quote(mappingsInclude)}`
}

/** A configuration for others names variables of the server's environment in place of secrets. */
function quoteOrName(text: string): string {
  return text.startsWith('$') ? text : quote(text)
}

function quote(text: string): string {
  return JSON.stringify(text)
}
