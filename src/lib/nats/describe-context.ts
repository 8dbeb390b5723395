import {LatticeError} from '../errors.js'
import {defaultServer, hideUserInfo} from './addresses.js'
import {isReference} from './context-fields.js'
import {listContexts, readContext, readNamedContext, selectedContext, type Context} from './context-files.js'
import type {Resolved} from './resolve-spec.js'
import {looksSecret} from './secret-files.js'
import type {Settings} from './settings.js'
import type {Credentials} from './spec.js'

const addressFields = new Set(['url', 'socks_proxy'])
const shownFields = new Set([
  ...['description', 'url', 'socks_proxy', 'user', 'creds', 'nkey', 'cert', 'key', 'ca', 'nsc', 'jetstream_domain'],
  ...['jetstream_api_prefix', 'jetstream_event_prefix', 'inbox_prefix', 'color_scheme', 'tls_first'],
  ...['windows_cert_store', 'windows_cert_match_by', 'windows_cert_match'],
  ...['lattice', 'dialect', 'sysContext', 'sysAccountKeyFile', 'operatorKeyFile', 'nscStore', 'clusterSeedFile'],
  'protected',
])

/** A context as it may be shown: secrets only as `set`, user info in addresses as `***`. */
export interface DescribedContext {
  readonly name: string
  readonly selected: boolean
  readonly url: string
  readonly lattice: string
  readonly description?: string
  /** natscli's fields that are set. */
  readonly fields: Readonly<Record<string, string>>
  /** Our fields that are set. */
  readonly latticeFields: Readonly<Record<string, string>>
  /** Why it cannot be used, when its file cannot be read. */
  readonly fault?: string
}

/** Describes every context, sorted by name; one that cannot be read is told with its fault. */
export async function describeContexts(): Promise<DescribedContext[]> {
  const selected = await selectedContext()
  return Promise.all(
    (await listContexts()).map(async (name) => {
      const context = await readNamedContext(name).catch(faultOf)
      return typeof context === 'string' ? unreadable(name, selected, context) : describe(context, selected)
    }),
  )
}

/** Describes one context, the selected one without a name; undefined when none is selected. */
export async function describeContext(name: string | undefined): Promise<DescribedContext | undefined> {
  const selected = await selectedContext()
  const wanted = name ?? selected
  return wanted === undefined ? undefined : describe(await readContext(wanted), selected)
}

function faultOf(error: unknown): string {
  if (error instanceof LatticeError) return error.message
  throw error
}

function unreadable(name: string, selected: string | undefined, fault: string): DescribedContext {
  return {name, selected: name === selected, url: '?', lattice: '?', fields: {}, latticeFields: {}, fault}
}

/** One context as it may be shown. */
export function describe({name, nats, lattice}: Context, selected: string | undefined): DescribedContext {
  const url = hideUserInfo(nats.url || (nats.nsc ? '(of the nsc operator)' : defaultServer))
  return {
    name,
    selected: name === selected,
    url,
    lattice: lattice.lattice ?? 'default',
    ...(nats.description ? {description: nats.description} : {}),
    fields: {...shown(nats), url},
    latticeFields: shown(lattice),
  }
}

function shown(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const set = Object.entries(values).filter(
    ([, value]) => value !== '' && value !== null && value !== false && value !== undefined,
  )
  const {user, password} = values
  // A user without a password is a token, for natscli and for us.
  const isToken = Boolean(user) && !password
  return Object.fromEntries(
    set.map(([field, value]) => [field, field === 'user' && isToken ? shownSecret(value) : shownValue(field, value)]),
  )
}

/** A misspelled `password` is a field that nobody knows, so only what is known to be harmless is shown. */
function shownValue(field: string, value: unknown): string {
  if (typeof value === 'boolean' && shownFields.has(field)) return String(value)
  if (!shownFields.has(field) || typeof value !== 'string') return shownSecret(value)
  return addressFields.has(field) ? hideUserInfo(value) : shownFile(value)
}

/** Where a secret is may be told; what it is may not. */
function shownSecret(value: unknown): string {
  return typeof value === 'string' && isReference(value) && !/^data:/i.test(value) ? value : 'set'
}

/** Where a path is due, a secret may stand by mistake. */
function shownFile(value: string): string {
  return /^data:/i.test(value) || looksSecret(value) ? 'set' : value
}

/** One value that decides the connection, and where it was said. */
export interface EffectiveSetting {
  readonly value: string
  readonly from: string
}

/** All that decides the connection, by the names of the flags; secrets appear as `set`. */
export function describeEffective({settings}: Resolved): Record<string, EffectiveSetting> {
  const rows = (Object.keys(shownSetting) as (keyof Settings)[]).flatMap((key) => {
    const setting = settings[key]
    if (setting === undefined) return []
    const shown = shownSetting[key](setting.value as never)
    return shown.map(([name, value]) => [name, {value, from: setting.from}] as const)
  })
  return Object.fromEntries(rows)
}

type Shown = readonly (readonly [name: string, value: string])[]

const shownSetting: {readonly [K in keyof Settings]: (value: Settings[K]) => Shown} = {
  servers: (servers) => [['server', hideUserInfo(servers.join(','))]],
  credentials: shownCredentials,
  tlsCa: (file) => [['tls-ca', shownFile(file)]],
  tlsPair: ({cert, key}) => [
    ['tls-cert', shownFile(cert)],
    ['tls-key', shownFile(key)],
  ],
  tlsFirst: (first) => [['tls-first', String(first)]],
  socksProxy: (proxy) => [['socks-proxy', hideUserInfo(proxy)]],
  jetstream: ({domain, apiPrefix}) => [
    ...(domain === undefined ? [] : [['js-domain', domain] as const]),
    ...(apiPrefix === undefined ? [] : [['js-api-prefix', apiPrefix] as const]),
  ],
  inboxPrefix: (prefix) => [['inbox-prefix', prefix]],
  lattice: (name) => [['lattice', name]],
  dialect: (dialect) => [['dialect', dialect]],
  system: ({sysCreds, sysContext, sysAccountKeyFile}) => [
    ...(sysCreds === undefined ? [] : [['sys-creds', shownFile(sysCreds)] as const]),
    ...(sysContext === undefined ? [] : [['sys-context', sysContext] as const]),
    ...(sysAccountKeyFile === undefined ? [] : [['sys-account-seed-file', shownFile(sysAccountKeyFile)] as const]),
  ],
  operatorKeyFile: (file) => [['operator-seed-file', shownFile(file)]],
  nscStore: (store) => [['nsc-store', shownFile(store)]],
  clusterSeedFile: (file) => [['cluster-seed-file', shownFile(file)]],
  protected: (yes) => [['protected', String(yes)]],
  timeoutMs: (ms) => [['timeout', `${ms} ms`]],
  connectTimeoutMs: (ms) => [['connect-timeout', `${ms} ms`]],
}

function shownCredentials(credentials: Credentials): Shown {
  switch (credentials.kind) {
    case 'creds':
      return [['creds', shownFile(credentials.file)]]
    case 'nkey':
      return [['nkey', shownFile(credentials.file)]]
    case 'user':
      return [
        ['user', credentials.user],
        ['password', shownSecret(credentials.password)],
      ]
    case 'token':
      return [['token', shownSecret(credentials.token)]]
    case 'jwt':
      return [
        ['jwt', shownSecret(credentials.jwt)],
        ...(credentials.seed === undefined ? [] : [['seed', shownSecret(credentials.seed)] as const]),
      ]
  }
}
