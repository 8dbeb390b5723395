import {mkdir, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {parseCreds} from '../../src/lib/keys/creds.js'
import {createKey, type SigningKey} from '../../src/lib/keys/nkey.js'
import {createOperatorKeys, createUser, operatorTokens, type OperatorKeys} from '../../src/lib/keys/operator.js'
import {decodeToken, encodeToken, type JsonObject} from '../../src/lib/keys/token.js'

/** An nsc store as nsc itself lays it out, made without nsc. */
export interface NscStore {
  readonly name: string
  /** Of the operator. */
  readonly folder: string
  readonly keystore: string
  readonly keys: OperatorKeys
  /** Of the system account, beside its own. */
  readonly systemSigning: SigningKey
  readonly user: {readonly creds: string; readonly credsFile: string}
  readonly sys: {readonly creds: string; readonly credsFile: string}
  /** For a server that takes this operator's accounts as they are. */
  readonly serverConfig: string
}

export interface NscStoreOptions {
  readonly storeRoot: string
  readonly keystore: string
  readonly name?: string
  /** Those of a server that runs already. */
  readonly keys?: OperatorKeys
  readonly serviceUrls?: readonly string[]
  readonly strict?: boolean
  /** Which seeds are kept elsewhere. */
  readonly without?: readonly ('operator' | 'operatorSigning' | 'systemAccount' | 'systemSigning')[]
  /** No creds file of the system account's user. */
  readonly withoutSysCreds?: boolean
}

/** Writes a store with operator, system account `SYS` with user `sys`, and account `APP` with user `app`. */
export async function writeNscStore(options: NscStoreOptions): Promise<NscStore> {
  const {storeRoot, keystore, name = 'OPS', keys = createOperatorKeys(), without = []} = options
  const folder = join(storeRoot, name)
  const systemSigning = createKey('A')
  const now = Math.floor(Date.now() / 1000)
  const tokens = operatorTokens(keys, {operator: name, account: 'APP'}, now)
  const operator = changeToken(tokens.operator, keys.operator, {
    operator_service_urls: options.serviceUrls ?? [],
    ...(options.strict === true ? {strict_signing_key_usage: true} : {}),
  })
  const scoped = {kind: 'user_scope', key: createKey('A').publicKey, role: 'r', template: {pub: {}, sub: {}}}
  const systemAccount = changeToken(tokens.systemAccount, keys.operatorSigning, {
    signing_keys: [scoped, systemSigning.publicKey],
  })
  const [user, sys] = [createUser(keys.account, 'app', now), createUser(keys.systemAccount, 'sys', now)]
  const credsFile = (account: string, user: string): string => join(keystore, 'creds', name, account, `${user}.creds`)
  const files = {
    [join(folder, '.nsc')]: JSON.stringify({managed: false, name, kind: 'operator', version: '1'}),
    [join(folder, `${name}.jwt`)]: operator,
    [join(folder, 'accounts', 'SYS', 'SYS.jwt')]: systemAccount,
    [join(folder, 'accounts', 'SYS', 'users', 'sys.jwt')]: parseCreds(sys.creds)!.jwt,
    [join(folder, 'accounts', 'APP', 'APP.jwt')]: tokens.account,
    [join(folder, 'accounts', 'APP', 'users', 'app.jwt')]: parseCreds(user.creds)!.jwt,
    [credsFile('APP', 'app')]: user.creds,
    ...(options.withoutSysCreds === true ? {} : {[credsFile('SYS', 'sys')]: sys.creds}),
  }
  for (const [kind, key] of Object.entries({...keys, systemSigning})) {
    if ((without as readonly string[]).includes(kind)) continue
    files[join(keystore, 'keys', key.publicKey[0]!, key.publicKey.slice(1, 3), `${key.publicKey}.nk`)] = key.seed
  }
  await Promise.all(Object.entries(files).map(([file, text]) => write(file, text)))
  return {
    name,
    folder,
    keystore,
    keys,
    systemSigning,
    user: {...user, credsFile: credsFile('APP', 'app')},
    sys: {...sys, credsFile: credsFile('SYS', 'sys')},
    serverConfig: memoryConfig(operator, {
      [keys.systemAccount.publicKey]: systemAccount,
      [keys.account.publicKey]: tokens.account,
    }),
  }
}

/** The configuration of a server that knows these accounts; the first one is the system account. */
export function memoryConfig(operator: string, accounts: Readonly<Record<string, string>>): string {
  const preload = Object.entries(accounts).map(([key, token]) => `${key}: ${token}`)
  return [
    `operator: ${operator}`,
    `system_account: ${Object.keys(accounts)[0]!}`,
    'resolver: MEMORY',
    `resolver_preload {\n${preload.join('\n')}\n}`,
  ].join('\n')
}

/** A token with other fields in its `nats` part, signed again. */
export function changeToken(token: string, key: SigningKey, fields: JsonObject): string {
  const {header, payload} = decodeToken(token)
  const nats = {...(payload['nats'] as JsonObject), ...fields}
  return encodeToken(header, {...payload, jti: 'changed', nats}, key)
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), {recursive: true})
  await writeFile(file, text, {mode: 0o600})
}
