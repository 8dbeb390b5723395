import {ConnectionError} from '../errors.js'
import {parseCreds} from '../keys/creds.js'
import type {SigningKey} from '../keys/nkey.js'
import {createTemporaryUser} from '../keys/operator.js'
import {readContext} from './context-files.js'
import {seedOf} from './creds.js'
import {contextSpec} from './resolve-spec.js'
import {readReference} from './secrets.js'
import type {ConnectSpec, Credentials} from './spec.js'

/** How to connect to the system account, and what may be wrong when the server refuses it. */
export interface SystemSpec {
  readonly spec: ConnectSpec
  readonly hint?: string
}

const lifetimeSeconds = 3600

/**
 * The connection to the system account: by its creds, its context, the seed of its key, or the nsc store. With a key a
 * user is made that lives for an hour and may only ask. Throws a MissingSystemCredentialsError when there is no way.
 */
export async function systemSpec(spec: ConnectSpec, now = Date.now()): Promise<SystemSpec> {
  const {sysCreds, sysContext, sysAccountKeyFile, nscStore} = spec
  if (sysCreds !== undefined) return {spec: {...spec, credentials: await credsOf(sysCreds, spec)}}
  if (sysContext !== undefined) {
    const {timeoutMs, connectTimeoutMs} = spec
    return {spec: {...(await contextSpec(await readContext(sysContext))), timeoutMs, connectTimeoutMs}}
  }
  if (sysAccountKeyFile !== undefined) return specOfKey(sysAccountKeyFile, spec, now)
  if (nscStore !== undefined) return {spec: {...spec, credentials: await storeCredentials(nscStore, spec, now)}}
  throw new MissingSystemCredentialsError(spec)
}

/** What the user names for an untrusted context is not confined as that is, so it is read here. */
async function credsOf(file: string, {confinedTo, timeoutMs}: ConnectSpec): Promise<Credentials> {
  if (confinedTo === undefined) return {kind: 'creds', file}
  const creds = parseCreds(await readReference(file, {purpose: 'creds file', bare: 'path', timeoutMs}))
  if (creds === undefined)
    throw new ConnectionError('The creds file of the system account holds no user token and seed.')
  return {kind: 'jwt', ...creds}
}

/** A signing key does not tell its account, but its file or the nsc store may. */
async function specOfKey(file: string, spec: ConnectSpec, now: number): Promise<SystemSpec> {
  const purpose = 'system account key file'
  const text = await readReference(file, {purpose, bare: 'path', timeoutMs: spec.timeoutMs})
  const key = seedOf(text, file, {purpose, kind: 'A'})
  const account = /\bA[A-Z2-7]{55}\b/.exec(text)?.[0] ?? (await accountInStore(key, spec))
  return {
    spec: {...spec, credentials: makeUser({key, account: account ?? key.publicKey}, spec, now)},
    ...(account === undefined
      ? {
          hint: 'If the seed is that of a signing key, put the public key A… of the system account beside it in the file.',
        }
      : {}),
  }
}

async function accountInStore(key: SigningKey, {nscStore}: ConnectSpec): Promise<string | undefined> {
  if (nscStore === undefined) return undefined
  const {openNscOperator} = await import('../nsc/operator.js')
  const {findAccountOfKey} = await import('../nsc/access.js')
  return findAccountOfKey(await openNscOperator(nscStore), key.publicKey)
}

async function storeCredentials(nscStore: string, spec: ConnectSpec, now: number): Promise<Credentials> {
  const {openNscOperator} = await import('../nsc/operator.js')
  const {findSystemUser} = await import('../nsc/access.js')
  const operator = await openNscOperator(nscStore)
  const way = await findSystemUser(operator, Math.floor(now / 1000)).catch((error: unknown) => {
    throw error instanceof ConnectionError ? new MissingSystemCredentialsError(spec, error) : error
  })
  return way.kind === 'creds' ? credsOf(way.file, spec) : makeUser(way, spec, now)
}

function makeUser(
  {key, account}: {readonly key: SigningKey; readonly account: string},
  {inboxPrefix = '_INBOX'}: ConnectSpec,
  now: number,
): Credentials {
  const issuedAt = Math.floor(now / 1000)
  const user = createTemporaryUser(key, {
    name: 'lattice, temporary',
    account,
    issuedAt,
    expires: issuedAt + lifetimeSeconds,
    publish: ['$SYS.REQ.>'],
    subscribe: [`${inboxPrefix}.>`],
  })
  return {kind: 'jwt', ...user}
}

/** A command needs the system account and nothing says how to reach it, or what says so does not hold it. */
export class MissingSystemCredentialsError extends ConnectionError {
  constructor({context}: Pick<ConnectSpec, 'context'>, store?: ConnectionError) {
    super(store?.message ?? 'System-account credentials are needed and none are known.', {
      suggestions: [
        ...(store?.suggestions ?? []),
        '--sys-creds FILE (or LATTICE_SYS_CREDS)',
        '--sys-context NAME (or LATTICE_SYS_CONTEXT)',
        '--sys-account-seed-file FILE (or LATTICE_SYS_ACCOUNT_SEED_FILE)',
        ...(context === undefined ? [] : [`"sysContext" in the lattice part of context '${context}'`]),
      ],
      details: store?.details ?? {},
    })
  }
}
