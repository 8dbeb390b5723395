import {readFile} from 'node:fs/promises'

import {ConnectionError} from '../errors.js'
import {parseCreds} from '../keys/creds.js'
import type {SigningKey} from '../keys/nkey.js'
import {decodeToken} from '../keys/token.js'
import {findNscKey, listNscAccounts, listNscUsers, type NscAccount, type NscOperator} from './operator.js'

/** How the system account is reached: with a user that is there, or with the key that makes one. */
export type NscSystemUser =
  | {readonly kind: 'creds'; readonly file: string}
  | {readonly kind: 'key'; readonly key: SigningKey; readonly account: string}

/**
 * The key that signs accounts of this operator: a signing key whose seed is here, else the identity key unless only
 * signing keys may. Throws a ConnectionError that names the public keys when none is here.
 */
export async function findOperatorKey(operator: NscOperator): Promise<SigningKey> {
  const {key, signingKeys, strict} = operator
  const usable = strict ? signingKeys : [...signingKeys, key]
  for (const publicKey of usable) {
    const found = await findNscKey(operator, publicKey)
    if (found !== undefined) return found
  }
  throw new NoSeedError(`sign accounts of the nsc operator '${operator.name}'`, usable, operator)
}

/**
 * The way into the system account: a user with a creds file that is valid at `now` (seconds since the epoch), one named
 * `sys` first, else a key of the account that makes users. Throws a ConnectionError when there is neither.
 */
export async function findSystemUser(operator: NscOperator, now: number): Promise<NscSystemUser> {
  if (operator.systemAccount === undefined) {
    throw new ConnectionError(`The nsc operator '${operator.name}' names no system account.`, {
      suggestions: ['nsc edit operator --system-account SYS', '--sys-creds FILE (or LATTICE_SYS_CREDS)'],
      details: {operator: operator.name},
    })
  }
  const account = (await listNscAccounts(operator)).find(({key}) => key === operator.systemAccount)
  const file = account === undefined ? undefined : await findValidCreds(operator, account, now)
  if (file !== undefined) return {kind: 'creds', file}
  // An operator that is strict about its own signing keys is so about those of its accounts.
  const keys = [...(operator.strict ? [] : [operator.systemAccount]), ...(account?.signingKeys ?? [])]
  for (const publicKey of keys) {
    const key = await findNscKey(operator, publicKey)
    if (key !== undefined) return {kind: 'key', key, account: operator.systemAccount}
  }
  throw new NoSeedError(`make a user of the system account of the nsc operator '${operator.name}'`, keys, operator)
}

/** The account that a key makes users of; undefined when it is none of this operator's. */
export async function findAccountOfKey(operator: NscOperator, publicKey: string): Promise<string | undefined> {
  const accounts = await listNscAccounts(operator)
  return accounts.find(({key, signingKeys}) => key === publicKey || signingKeys.includes(publicKey))?.key
}

async function findValidCreds(operator: NscOperator, account: NscAccount, now: number): Promise<string | undefined> {
  const users = await listNscUsers(operator, account)
  const ordered = [...users.filter(({name}) => name === 'sys'), ...users.filter(({name}) => name !== 'sys')]
  for (const {key, credsFile} of ordered) {
    if (credsFile !== undefined && (await isValid(credsFile, {key, account, now}))) return credsFile
  }
  return undefined
}

/** nsc leaves the creds files of users that it deleted or made anew. */
async function isValid(
  file: string,
  {key, account, now}: {key: string; account: NscAccount; now: number},
): Promise<boolean> {
  const creds = parseCreds(await readFile(file, 'utf8').catch(() => ''))
  if (creds === undefined) return false
  try {
    const {payload, signed} = decodeToken(creds.jwt)
    const {sub, iss, exp} = payload
    const ours = iss === account.key || account.signingKeys.includes(iss as string)
    return signed && ours && sub === key && !(typeof exp === 'number' && exp > 0 && exp <= now)
  } catch {
    return false
  }
}

/** A store describes keys whose seeds are kept elsewhere. */
class NoSeedError extends ConnectionError {
  constructor(purpose: string, publicKeys: readonly string[], {name, keystores}: NscOperator) {
    const keys = publicKeys.length === 0 ? 'it has no signing keys' : `looked for ${publicKeys.join(', ')}`
    super(`No seed is here to ${purpose}: ${keys}.`, {
      suggestions: ['nsc list keys --all', `NKEYS_PATH with a folder of keys; looked in ${keystores.join(', ')}`],
      details: {operator: name, keys: publicKeys, keystores},
    })
  }
}
