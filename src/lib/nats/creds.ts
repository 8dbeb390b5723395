import type {Authenticator} from '@nats-io/transport-node'

import {ConnectionError, LatticeError} from '../errors.js'
import {parseCreds} from '../keys/creds.js'
import {parseSeed, type KeyKind, type SigningKey} from '../keys/nkey.js'
import {accountOfUser, decodeToken} from '../keys/token.js'
import {readAgain} from './secret-files.js'
import {readReference, readSecret, type Secret} from './secrets.js'
import type {ConnectSpec, Credentials} from './spec.js'

/** The part of a spec that says who connects, and how its references are followed. */
export type CredentialSpec = Pick<ConnectSpec, 'credentials' | 'confinedTo' | 'timeoutMs'>

/** What a seed is for and of which kind it must be; `confinedTo` as in a spec. */
export interface SeedRules {
  readonly purpose: string
  readonly kind: KeyKind
  readonly confinedTo?: string | undefined
  /** Longest wait for a helper program; default 5000. */
  readonly timeoutMs?: number
}

interface UserCreds {
  readonly jwt: string
  readonly key: SigningKey
}

/** Reads a seed file of one kind of key, such as an operator's `SO…`; as `readSeed`. */
export function readSeedFile(file: string, purpose: string, kind: KeyKind): Promise<SigningKey> {
  return readSeed(file, {purpose, kind})
}

/**
 * Reads the seed that a path or a reference leads to: alone, or decorated as in creds files. Throws a ConnectionError
 * without any of it.
 */
export async function readSeed(value: string, rules: SeedRules): Promise<SigningKey> {
  const {purpose, confinedTo, timeoutMs = 5000} = rules
  return seedOf(await readReference(value, {purpose, bare: 'path', confinedTo, timeoutMs}), value, rules)
}

/** The key of the seed in a file's text; `value` is what led to the text. */
export function seedOf(text: string, value: string, {purpose, kind}: Pick<SeedRules, 'purpose' | 'kind'>): SigningKey {
  // A public key of the same letters may stand beside it.
  const seed = /\bS[A-Z2-7]{57}\b/.exec(text)?.[0] ?? text
  try {
    return parseSeed(seed, kind)
  } catch (error) {
    const reason = error instanceof LatticeError ? error.message : 'It holds no seed.'
    throw new ConnectionError(`The ${purpose} ${named(value)}cannot be used: ${reason}`, {details: shown(value)})
  }
}

/**
 * What answers the server's challenge; undefined without credentials. References are followed now; a creds file is read
 * again at each further connect, as its content may be replaced before it expires. Tokens are sent without `nkey`:
 * servers before 2.14.8 disconnect clients that send both whenever their configuration is reloaded in operator mode.
 */
export async function authenticator(spec: CredentialSpec): Promise<Authenticator | undefined> {
  const {credentials} = spec
  switch (credentials?.kind) {
    case undefined:
      return undefined
    case 'user': {
      const [user, pass] = await Promise.all([
        readLiteral(credentials.user, 'user name', spec),
        readLiteral(credentials.password, 'password', spec),
      ])
      return () => ({user, pass})
    }
    case 'token': {
      const token = await readLiteral(credentials.token, 'token', spec)
      return () => ({auth_token: token})
    }
    case 'jwt': {
      const [jwt, seed] = await Promise.all([
        readLiteral(credentials.jwt, 'user token', spec),
        credentials.seed === undefined ? undefined : readLiteral(credentials.seed, 'user seed', spec),
      ])
      const key = seed === undefined ? undefined : seedOf(seed, '', {purpose: 'user seed', kind: 'U'})
      return (nonce) => ({jwt, ...(key === undefined ? {} : {sig: signNonce(key, nonce)})})
    }
    case 'nkey': {
      const key = await readSeed(credentials.file, {...spec, purpose: 'nkey file', kind: 'U'})
      return (nonce) => ({nkey: key.publicKey, sig: signNonce(key, nonce)})
    }
    case 'creds':
      return credsAuthenticator(credentials.file, spec)
  }
}

/** Public key of the account that a user's token belongs to; undefined without a token. */
export async function accountOf(spec: CredentialSpec): Promise<string | undefined> {
  const jwt = await userToken(spec)
  return jwt === undefined ? undefined : accountOfUser(decodeToken(jwt).payload)
}

/** The user's token that the credentials hold; undefined when they are of another kind. */
export async function userToken(spec: CredentialSpec): Promise<string | undefined> {
  const {credentials} = spec
  if (credentials?.kind === 'jwt') return readLiteral(credentials.jwt, 'user token', spec)
  if (credentials?.kind !== 'creds') return undefined
  return parseCreds((await readCreds(credentials.file, spec)).text)?.jwt
}

/** The user's own key that the credentials hold; undefined for those without one, such as a password. */
export async function userKey(spec: CredentialSpec): Promise<SigningKey | undefined> {
  const {credentials} = spec
  if (credentials?.kind === 'creds') {
    return userCreds((await readCreds(credentials.file, spec)).text, credentials.file).key
  }
  if (credentials?.kind === 'nkey') return readSeed(credentials.file, {...spec, purpose: 'nkey file', kind: 'U'})
  if (credentials?.kind !== 'jwt' || credentials.seed === undefined) return undefined
  return seedOf(await readLiteral(credentials.seed, 'user seed', spec), '', {purpose: 'user seed', kind: 'U'})
}

async function credsAuthenticator(file: string, spec: CredentialSpec): Promise<Authenticator> {
  const {text, path} = await readCreds(file, spec)
  let creds = userCreds(text, file)
  let first = true
  return (nonce) => {
    const newer = first || path === undefined ? undefined : readAgain(path, spec.confinedTo)
    first = false
    if (newer !== undefined) creds = userCredsOr(newer, creds)
    return {jwt: creds.jwt, sig: signNonce(creds.key, nonce)}
  }
}

/** A file that is just being written is no reason to give up. */
function userCredsOr(text: string, known: UserCreds): UserCreds {
  try {
    return userCreds(text, '')
  } catch {
    return known
  }
}

function userCreds(text: string, value: string): UserCreds {
  const creds = parseCreds(text)
  if (creds === undefined) {
    throw new ConnectionError(`The creds file ${named(value)}holds no user token and seed.`, {details: shown(value)})
  }
  return {jwt: creds.jwt, key: seedOf(creds.seed, value, {purpose: 'user seed of the creds file', kind: 'U'})}
}

const fetched = new WeakMap<Credentials, Promise<Secret>>()

/** A helper program may ask the user, so it is run once; all else is cheap to read and may have changed. */
function readCreds(file: string, spec: CredentialSpec): Promise<Secret> {
  const {confinedTo, timeoutMs} = spec
  const known = fetched.get(spec.credentials!)
  if (known !== undefined) return known
  const reading = readSecret(file, {purpose: 'creds file', bare: 'path', confinedTo, timeoutMs})
  if (/^op:/i.test(file)) {
    fetched.set(spec.credentials!, reading)
    reading.catch(() => fetched.delete(spec.credentials!))
  }
  return reading
}

function readLiteral(value: string, purpose: string, {confinedTo, timeoutMs}: CredentialSpec): Promise<string> {
  return readReference(value, {purpose, bare: 'literal', confinedTo, timeoutMs})
}

/** A `data:` reference is the secret itself. */
function named(value: string): string {
  return value === '' || /^data:/i.test(value) ? '' : `'${value}' `
}

function shown(value: string): {file?: string} {
  return named(value) === '' ? {} : {file: value}
}

function signNonce(key: SigningKey, nonce: string | undefined): string {
  return Buffer.from(key.sign(Buffer.from(nonce ?? ''))).toString('base64url')
}
