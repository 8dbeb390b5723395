import {readAccounts, type ConfigAccount} from './accounts.js'
import {effective, named, placeOf, type ConfigMap, type ConfigNode, type IncludeUse, type Setting} from './resolve.js'
import type {Place} from './tree.js'

/** What a server's configuration says, as far as mappings and those who use them are concerned. */
export interface ConfigFacts {
  /** The main file. */
  readonly file: string
  /** The main file and all included ones, each once, in reading order. */
  readonly files: readonly string[]
  readonly includes: readonly ConfigInclude[]
  readonly serverName?: string
  /** Where clients connect; a port of -1 is the system's choice. */
  readonly listen: ConfigAddress
  readonly monitor?: ConfigAddress & {readonly tls: boolean}
  readonly pidFile?: string
  readonly cluster?: string
  readonly gateway?: string
  readonly systemAccount?: string
  /** Accounts are tokens of an operator and not of this file. */
  readonly operatorMode: boolean
  /** `$G` and the accounts of the file, in reading order. */
  readonly accounts: readonly ConfigAccount[]
  /** What the server would refuse, or would silently ignore, as far as this reader looks. */
  readonly problems: readonly ConfigProblem[]
}

export interface ConfigAddress {
  readonly host?: string
  readonly port: number
}

/** An include, and in which map it stands. */
export interface ConfigInclude {
  /** As it is written. */
  readonly path: string
  /** As it is opened. */
  readonly file: string
  readonly at: Place
  /** Keys from the top down to the map: none at the top level. */
  readonly within: readonly string[]
}

/** One thing that is wrong, and where. */
export interface ConfigProblem {
  readonly at: Place
  /** Without a full stop. */
  readonly reason: string
}

const operatorKeys = ['operator', 'operators', 'root', 'roots', 'root_operator', 'root_operators']
const resolverKeys = ['resolver', 'account_resolver', 'accounts_resolver']
const defaultPort = 4222

/** Reads a resolved configuration. */
export function configFacts(root: ConfigMap): ConfigFacts {
  const includes = includesIn(root, [])
  const {accounts, problems} = readAccounts(root)
  const [host, port] = [text(root, 'host', 'net'), number(root, 'port')]
  const listen = address(one(root, 'listen')) ?? {...(host === undefined ? {} : {host}), port: port ?? defaultPort}
  const monitor = readMonitor(root)
  const found = {
    serverName: text(root, 'server_name'),
    monitor,
    pidFile: text(root, 'pid_file', 'pidfile'),
    cluster: textIn(root, 'cluster', 'name', 'cluster_name'),
    gateway: textIn(root, 'gateway', 'name'),
    systemAccount: systemAccount(root),
  }
  return {
    file: root.source.file,
    files: [...new Set([root.source.file, ...includes.map(({file}) => file)])],
    includes,
    listen,
    ...Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)),
    operatorMode: named(root, ...operatorKeys, ...resolverKeys, 'trusted', 'trusted_keys').length > 0,
    accounts,
    problems,
  }
}

/** Every include, also those that stand in included files. */
function includesIn(node: ConfigNode, within: readonly string[]): ConfigInclude[] {
  if (node.kind === 'array') return node.items.flatMap((item) => includesIn(item, within))
  if (node.kind !== 'map') return []
  const own = node.includes.map((use) => includeFact(use, within))
  return [...own, ...node.settings.flatMap(({key, value}) => includesIn(value, [...within, key]))]
}

function includeFact({path, file, ...origin}: IncludeUse, within: readonly string[]): ConfigInclude {
  return {path, file, at: placeOf(origin), within}
}

/** The server reads these two keys as they are written, and the first before the second. */
function systemAccount(root: ConfigMap): string | undefined {
  const settings = effective(root)
  const value = (settings.get('system_account') ?? settings.get('system'))?.value
  return value?.kind === 'string' ? value.value : undefined
}

function readMonitor(root: ConfigMap): ConfigFacts['monitor'] {
  for (const tls of [false, true]) {
    const scheme = tls ? 'https' : 'http'
    const port = number(root, `${scheme}_port`, ...(tls ? [] : ['monitor_port']))
    const found = address(one(root, scheme)) ?? (port === undefined ? undefined : {port})
    if (found !== undefined) return {...found, tls}
  }
  return undefined
}

/** A port alone, or `host:port`. */
function address(setting: Setting | undefined): ConfigAddress | undefined {
  const value = setting?.value
  if (value?.kind === 'number') return {port: value.value}
  if (value?.kind !== 'string') return undefined
  const [, host = '', port = ''] = /^(.*):(-?\d+)$/.exec(value.value) ?? []
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  return port === '' ? undefined : {...(bare === '' ? {} : {host: bare}), port: Number(port)}
}

function one(map: ConfigMap, ...names: readonly string[]): Setting | undefined {
  return named(map, ...names).at(-1)
}

function text(map: ConfigMap, ...names: readonly string[]): string | undefined {
  const value = one(map, ...names)?.value
  return value?.kind === 'string' ? value.value : undefined
}

function textIn(map: ConfigMap, block: string, ...names: readonly string[]): string | undefined {
  const value = one(map, block)?.value
  return value?.kind === 'map' ? text(value, ...names) : undefined
}

function number(map: ConfigMap, ...names: readonly string[]): number | undefined {
  const value = one(map, ...names)?.value
  return value?.kind === 'number' ? value.value : undefined
}
