import {ConnectionError, UsageError} from '../errors.js'
import {parseDuration} from '../duration.js'
import {parseLatticeName} from '../entity/entity.js'
import {parseServers, userInfo} from './addresses.js'
import {fieldErrors, refuseFields} from './context-fields.js'
import type {Context} from './context-files.js'
import type {Credentials, SystemAccess} from './spec.js'
import {parsePrefix} from './subject-prefix.js'

/** What decides a connection. What must not be mixed from several sources is one value. */
export interface Settings {
  readonly servers: readonly string[]
  readonly credentials: Credentials
  readonly tlsCa: string
  readonly tlsPair: {readonly cert: string; readonly key: string}
  readonly tlsFirst: boolean
  readonly socksProxy: string
  readonly jetstream: {readonly domain?: string; readonly apiPrefix?: string}
  readonly inboxPrefix: string
  readonly lattice: string
  readonly dialect: 'v0' | 'v1'
  readonly system: SystemAccess
  readonly operatorKeyFile: string
  readonly nscStore: string
  readonly clusterSeedFile: string
  readonly protected: boolean
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
}

/** A value and the place it was said in, such as `--creds`. */
export interface Setting<T> {
  readonly value: T
  readonly from: string
}

/** What one source says; it leaves out what it says nothing of. */
export type Source = {readonly [K in keyof Settings]?: Setting<Settings[K]> | undefined}

/** Texts of one source by setting, and what each is called there. */
interface Texts {
  readonly get: (name: string) => string | undefined
  readonly called: (name: string) => string
}

type Environment = Readonly<Record<string, string | undefined>>

/** What the `LATTICE_*` or the `NATS_*` variables say. */
export function environmentSource(prefix: 'LATTICE' | 'NATS', env: Environment): Source {
  const texts: Texts = {
    get: (name) => env[`${prefix}_${name}`] || undefined,
    called: (name) => `${prefix}_${name}`,
  }
  const said = {...commonSource(texts, prefix === 'NATS' ? natsNames : latticeNames)}
  return prefix === 'NATS' ? said : {...said, ...latticeVariables(texts)}
}

const natsNames = {ca: 'CA', cert: 'CERT', key: 'KEY'}
const latticeNames = {ca: 'TLS_CA', cert: 'TLS_CERT', key: 'TLS_KEY'}

function commonSource(texts: Texts, names: typeof natsNames): Source {
  const url = texts.get('URL')
  const credentials = pickCredentials({
    user: texts.get('USER'),
    password: texts.get('PASSWORD'),
    creds: texts.get('CREDS'),
    nkey: texts.get('NKEY'),
    user_jwt: texts.get('JWT'),
    user_seed: texts.get('SEED'),
    token: texts.get('TOKEN'),
  })
  return {
    servers: url === undefined ? undefined : {value: parseServers(url), from: texts.called('URL')},
    credentials:
      credentials === undefined
        ? settingOf(userInfo(url), texts.called('URL'))
        : {value: credentials.value, from: texts.called(variableOf[credentials.field])},
    tlsCa: text(texts, names.ca),
    tlsPair: pair(texts, names.cert, names.key),
    socksProxy: text(texts, 'SOCKS_PROXY'),
    timeoutMs: duration(texts, 'TIMEOUT'),
  }
}

function latticeVariables(texts: Texts): Source {
  const [domain, apiPrefix] = [texts.get('JS_DOMAIN'), texts.get('JS_API_PREFIX')]
  return {
    tlsFirst: flag(texts, 'TLS_FIRST'),
    jetstream: jetstream(domain, apiPrefix, texts.called(domain === undefined ? 'JS_API_PREFIX' : 'JS_DOMAIN')),
    inboxPrefix: map(text(texts, 'INBOX_PREFIX'), parseInboxPrefix),
    lattice: map(text(texts, 'LATTICE'), (name) => parseLatticeName(name)),
    dialect: map(text(texts, 'DIALECT'), parseDialect),
    system: firstSystem([
      ['sysCreds', text(texts, 'SYS_CREDS')],
      ['sysContext', text(texts, 'SYS_CONTEXT')],
      ['sysAccountKeyFile', text(texts, 'SYS_ACCOUNT_SEED_FILE')],
    ]),
    operatorKeyFile: text(texts, 'OPERATOR_SEED_FILE'),
    nscStore: text(texts, 'NSC_STORE'),
    clusterSeedFile: text(texts, 'CLUSTER_SEED_FILE'),
    connectTimeoutMs: duration(texts, 'CONNECT_TIMEOUT'),
  }
}

const variableOf: Readonly<Record<CredentialField, string>> = {
  user: 'USER',
  creds: 'CREDS',
  nkey: 'NKEY',
  user_jwt: 'JWT',
  token: 'TOKEN',
}

/** What a context says; refuses by name the fields that cannot be honoured. */
export function contextSource({name, nats, lattice}: Context, how = 'context'): Source {
  refuseFields(name, nats)
  const fields: Texts = {
    get: (field) => (nats[field] as string | null | undefined) || undefined,
    called: (field) => `${field} of ${how} '${name}'`,
  }
  const ours: Texts = {
    get: (field) => (lattice[field] as string | null | undefined) || undefined,
    called: (field) => `${field} of ${how} '${name}'`,
  }
  const credentials = pickCredentials(nats)
  const [domain, apiPrefix] = [fields.get('jetstream_domain'), fields.get('jetstream_api_prefix')]
  const jetstreamField = domain === undefined ? 'jetstream_api_prefix' : 'jetstream_domain'
  return {
    servers: map(text(fields, 'url'), fieldErrors(parseServers, name, 'url')),
    credentials:
      credentials === undefined
        ? (map(text(fields, 'nsc'), nscCredentials) ?? settingOf(userInfo(nats.url), fields.called('url')))
        : {value: credentials.value, from: fields.called(credentials.field)},
    tlsCa: text(fields, 'ca'),
    tlsPair: pair(fields, 'cert', 'key'),
    tlsFirst: nats.tls_first === true ? {value: true, from: fields.called('tls_first')} : undefined,
    socksProxy: text(fields, 'socks_proxy'),
    jetstream: fieldErrors(() => jetstream(domain, apiPrefix, fields.called(jetstreamField)), name, jetstreamField)(),
    inboxPrefix: map(text(fields, 'inbox_prefix'), fieldErrors(parseInboxPrefix, name, 'inbox_prefix')),
    lattice: map(
      text(ours, 'lattice'),
      fieldErrors((lattice) => parseLatticeName(lattice), name, 'lattice'),
    ),
    dialect: map(text(ours, 'dialect'), parseDialect),
    system: firstSystem([
      ['sysContext', text(ours, 'sysContext')],
      ['sysAccountKeyFile', text(ours, 'sysAccountKeyFile')],
    ]),
    operatorKeyFile: text(ours, 'operatorKeyFile'),
    nscStore: text(ours, 'nscStore'),
    clusterSeedFile: text(ours, 'clusterSeedFile'),
    protected: lattice.protected === true ? {value: true, from: ours.called('protected')} : undefined,
  }
}

type CredentialField = 'user' | 'creds' | 'nkey' | 'user_jwt' | 'token'
type CredentialFields = Readonly<Partial<Record<CredentialField | 'password' | 'user_seed', string | undefined>>>

/**
 * As natscli picks: user, else creds, else nkey, else token of a user, else a plain token. A user without password is a
 * token.
 */
function pickCredentials({
  user,
  password,
  creds,
  nkey,
  user_jwt: jwt,
  user_seed: seed,
  token,
}: CredentialFields): {readonly value: Credentials; readonly field: CredentialField} | undefined {
  if (user) return {value: password ? {kind: 'user', user, password} : {kind: 'token', token: user}, field: 'user'}
  if (creds) return {value: {kind: 'creds', file: creds}, field: 'creds'}
  if (nkey) return {value: {kind: 'nkey', file: nkey}, field: 'nkey'}
  if (jwt) return {value: {kind: 'jwt', jwt, ...(seed ? {seed} : {})}, field: 'user_jwt'}
  return token ? {value: {kind: 'token', token}, field: 'token'} : undefined
}

/** `operator/account/user`, with or without `nsc://`. */
function nscCredentials(lookup: string): Credentials {
  return {kind: 'creds', file: `nsc://${lookup.replace(/^nsc:\/\//i, '')}`}
}

/** Throws a UsageError unless the text can stand before the subjects of answers. */
export function parseInboxPrefix(text: string): string {
  return parsePrefix(text, 'prefix of inboxes')
}

/**
 * Domain and API prefix are one setting: the prefix is stronger, and must not come from a weaker source. Throws a
 * UsageError when one of them cannot be part of a subject.
 */
export function jetstream(
  domain: string | undefined,
  apiPrefix: string | undefined,
  from: string,
): Setting<Settings['jetstream']> | undefined {
  if (domain === undefined && apiPrefix === undefined) return undefined
  const value = {
    ...(domain === undefined ? {} : {domain: parsePrefix(domain, 'JetStream domain')}),
    ...(apiPrefix === undefined ? {} : {apiPrefix: parsePrefix(apiPrefix, 'prefix of the JetStream API')}),
  }
  return {value, from}
}

/** The first of several ways to the system account that is given. */
export function firstSystem(
  ways: readonly (readonly [keyof SystemAccess, Setting<string> | undefined])[],
): Setting<SystemAccess> | undefined {
  for (const [key, said] of ways) if (said !== undefined) return {value: {[key]: said.value}, from: said.from}
  return undefined
}

/** Throws a UsageError unless the text names a dialect. */
export function parseDialect(text: string): 'v0' | 'v1' {
  if (text === 'v0' || text === 'v1') return text
  throw new UsageError(`${JSON.stringify(text)} is not a dialect.`, {suggestions: ['v0 or v1']})
}

function text(texts: Texts, name: string): Setting<string> | undefined {
  return settingOf(texts.get(name), texts.called(name))
}

function duration(texts: Texts, name: string): Setting<number> | undefined {
  return map(text(texts, name), parseDuration)
}

function flag(texts: Texts, name: string): Setting<boolean> | undefined {
  return map(text(texts, name), (value) => {
    if (/^(?:1|true|yes)$/i.test(value)) return true
    if (/^(?:0|false|no)$/i.test(value)) return false
    throw new UsageError(`${texts.called(name)} is neither true nor false.`)
  })
}

function pair(texts: Texts, certName: string, keyName: string): Setting<Settings['tlsPair']> | undefined {
  const [cert, key] = [texts.get(certName), texts.get(keyName)]
  if (cert === undefined && key === undefined) return undefined
  if (cert !== undefined && key !== undefined) return {value: {cert, key}, from: texts.called(certName)}
  const [there, missing] = cert === undefined ? [keyName, certName] : [certName, keyName]
  throw new ConnectionError(
    `${texts.called(there)} is set and ${texts.called(missing)} is not: a client certificate needs its key.`,
  )
}

function settingOf<T>(value: T | undefined, from: string): Setting<T> | undefined {
  return value === undefined ? undefined : {value, from}
}

function map<T, U>(setting: Setting<T> | undefined, change: (value: T) => U): Setting<U> | undefined {
  return setting === undefined ? undefined : {value: change(setting.value), from: setting.from}
}
