import {readFile} from 'node:fs/promises'

import type {Authenticator} from '@nats-io/transport-node'

import {ConnectionError, LatticeError} from '../errors.js'
import {parseSeed, type SigningKey} from '../keys/nkey.js'
import {decodeToken} from '../keys/token.js'
import {expandHome} from '../files/paths.js'
import type {Credentials} from './spec.js'

/** A user's token and key, from a creds file's text; undefined when the text is not one. */
export function parseCreds(text: string): {jwt: string; seed: string} | undefined {
  const blocks = [...text.matchAll(/-{3,}\s*BEGIN[^\n]*-{3,}\s*([\s\S]*?)\s*-{3,}\s*END[^\n]*-{3,}/g)]
  const [jwt, seed] = blocks.map((block) => block[1]!.trim())
  return jwt === undefined || seed === undefined ? undefined : {jwt, seed}
}

/** Reads a secret's file; the ConnectionError names the file and what it was for, never its text. */
export async function readSecretFile(file: string, purpose: string): Promise<string> {
  try {
    return await readFile(expandHome(file), 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new ConnectionError(`The ${purpose} '${file}' ${reason}.`, {details: {file}, cause})
  }
}

/** Reads a seed file of one kind of key, such as an operator's `SO…`. */
export async function readSeedFile(file: string, purpose: string, kind: SigningKey['kind']): Promise<SigningKey> {
  const text = await readSecretFile(file, purpose)
  // Decorated key files hold the seed between markers, as creds files do.
  const seed = /\bS[A-Z2-7]{57}\b/.exec(text)?.[0] ?? text
  try {
    return parseSeed(seed, kind)
  } catch (cause) {
    const reason = cause instanceof LatticeError ? cause.message : 'It holds no seed.'
    throw new ConnectionError(`The ${purpose} '${file}' cannot be used: ${reason}`, {details: {file}})
  }
}

/**
 * What answers the server's challenge. Tokens are sent without `nkey`: servers before 2.14.8 disconnect clients that
 * send both whenever their configuration is reloaded in operator mode.
 */
export async function authenticator(credentials: Credentials): Promise<Authenticator> {
  switch (credentials.kind) {
    case 'user':
      return () => ({user: credentials.user, pass: credentials.password})
    case 'token':
      return () => ({auth_token: credentials.token})
    case 'jwt':
      return jwtAuthenticator(credentials.jwt, credentials.seed)
    case 'nkey': {
      const key = await readSeedFile(credentials.file, 'nkey file', 'U')
      return (nonce) => ({nkey: key.publicKey, sig: signNonce(key, nonce)})
    }
    case 'creds': {
      const creds = parseCreds(await readSecretFile(credentials.file, 'creds file'))
      if (creds === undefined) {
        throw new ConnectionError(`The creds file '${credentials.file}' holds no user token and seed.`, {
          details: {file: credentials.file},
        })
      }
      return jwtAuthenticator(creds.jwt, creds.seed)
    }
  }
}

/** Public key of the account that a user's token belongs to; undefined without a token. */
export async function accountOf(credentials: Credentials | undefined): Promise<string | undefined> {
  const jwt =
    credentials?.kind === 'jwt'
      ? credentials.jwt
      : credentials?.kind === 'creds'
        ? parseCreds(await readSecretFile(credentials.file, 'creds file'))?.jwt
        : undefined
  if (jwt === undefined) return undefined
  const {payload} = decodeToken(jwt)
  const nats = payload['nats'] as Record<string, unknown> | undefined
  const account = nats?.['issuer_account'] ?? payload['iss']
  return typeof account === 'string' && account !== '' ? account : undefined
}

function jwtAuthenticator(jwt: string, seed: string | undefined): Authenticator {
  const key = seed === undefined ? undefined : parseUserSeed(seed)
  return (nonce) => ({jwt, ...(key === undefined ? {} : {sig: signNonce(key, nonce)})})
}

function parseUserSeed(seed: string): SigningKey {
  try {
    return parseSeed(seed, 'U')
  } catch (cause) {
    throw new ConnectionError('The user seed of the credentials is not valid.', {cause})
  }
}

function signNonce(key: SigningKey, nonce: string | undefined): string {
  return Buffer.from(key.sign(Buffer.from(nonce ?? ''))).toString('base64url')
}
