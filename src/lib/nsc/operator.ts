import {join} from 'node:path'

import {ConnectionError} from '../errors.js'
import {parseSeed, type KeyKind, type SigningKey} from '../keys/nkey.js'
import {decodeToken, type JsonObject} from '../keys/token.js'
import {findNscPlaces, findNscPlacesIn, listStoreFolder, readStoreFile, type NscPlace} from './places.js'

/** An operator as its nsc store describes it; its keys are read when they are asked for. */
export interface NscOperator extends NscPlace {
  readonly name: string
  /** Identity key `O…`. */
  readonly key: string
  readonly signingKeys: readonly string[]
  /** Only signing keys may issue accounts. */
  readonly strict: boolean
  /** Key `A…` of the system account, when the operator names one. */
  readonly systemAccount?: string
  /** Addresses of its servers, such as `nats://host:4222`. */
  readonly serviceUrls: readonly string[]
}

export interface NscAccount {
  readonly name: string
  readonly folder: string
  /** Identity key `A…`. */
  readonly key: string
  /** Those that sign users of any permissions; scoped ones are left out. */
  readonly signingKeys: readonly string[]
}

export interface NscUser {
  readonly name: string
  /** Key `U…`. */
  readonly key: string
  /** End of its token in seconds since the epoch. */
  readonly expires?: number
  /** Its creds file, when nsc made one. */
  readonly credsFile?: string
}

/** All operators of this user, sorted by name; what is no store that can be read is left out. */
export async function listNscOperators(): Promise<NscOperator[]> {
  const operators = await readPlaces(await findNscPlaces())
  return sortByName(operators.filter(({key}, index) => operators.findIndex((other) => other.key === key) === index))
}

/**
 * The operator of that name or public key, or the one in that folder: a value with a path separator, or one that begins
 * with `~`, `.` or `$`, is a folder. Throws a ConnectionError that names those that are there.
 */
export async function openNscOperator(nameOrFolder: string): Promise<NscOperator> {
  const isFolder = /[/\\]|^[~.$]/.test(nameOrFolder)
  const operators = await readPlaces(await (isFolder ? findNscPlacesIn(nameOrFolder) : findNscPlaces()))
  const found = isFolder ? onlyOne(operators, nameOrFolder) : findByName(operators, nameOrFolder)
  if (found !== undefined) return found
  throw isFolder ? new NoNscStoreError(nameOrFolder) : new NoNscOperatorError(nameOrFolder, operators)
}

/** The accounts of an operator, sorted by name. */
export async function listNscAccounts(operator: NscOperator): Promise<NscAccount[]> {
  const folder = join(operator.folder, 'accounts')
  const accounts = await Promise.all(
    (await listStoreFolder(folder)).map((name) => readAccount(join(folder, name), name)),
  )
  return sortByName(accounts.filter((account) => account !== undefined))
}

/** The users of an account, sorted by name. */
export async function listNscUsers(operator: NscOperator, account: NscAccount): Promise<NscUser[]> {
  const folder = join(account.folder, 'users')
  const users = await Promise.all(
    (await listStoreFolder(folder))
      .filter((name) => name.endsWith('.jwt'))
      .map((name) => readUser(operator, account, join(folder, name))),
  )
  return sortByName(users.filter((user) => user !== undefined))
}

/** The key of that public key, when its seed is in a keystore of the operator; undefined when it is kept elsewhere. */
export async function findNscKey({keystores}: NscPlace, publicKey: string): Promise<SigningKey | undefined> {
  if (!/^[OAU][A-Z2-7]{55}$/.test(publicKey)) return undefined
  const file = join('keys', publicKey[0]!, publicKey.slice(1, 3), `${publicKey}.nk`)
  for (const keystore of keystores) {
    const text = await readStoreFile(join(keystore, file))
    const key = text === undefined ? undefined : keyOf(text, publicKey[0] as KeyKind)
    if (key?.publicKey === publicKey) return key
  }
  return undefined
}

/** Among what has the same name, an exact name wins over a public key, and that over a name in other letters. */
export function findByName<T extends {readonly name: string; readonly key: string}>(
  things: readonly T[],
  name: string,
): T | undefined {
  const lower = name.toLowerCase()
  return (
    things.find((thing) => thing.name === name) ??
    things.find(({key}) => key === name.toUpperCase()) ??
    things.find((thing) => thing.name.toLowerCase() === lower)
  )
}

async function readPlaces(places: readonly NscPlace[]): Promise<NscOperator[]> {
  const operators = await Promise.all(places.map(readOperator))
  return operators.filter((operator) => operator !== undefined)
}

async function readOperator(place: NscPlace): Promise<NscOperator | undefined> {
  const marked = parseJson(await readStoreFile(join(place.folder, '.nsc')))?.['name']
  if (typeof marked !== 'string' || !isFileName(marked)) return undefined
  const claims = await readClaims(join(place.folder, `${marked.trim()}.jwt`), 'O')
  if (claims === undefined) return undefined
  const {name, key, nats} = claims
  const system = nats['system_account']
  return {
    ...place,
    name: name || marked,
    key,
    signingKeys: strings(nats['signing_keys']),
    strict: nats['strict_signing_key_usage'] === true,
    ...(typeof system === 'string' && system !== '' ? {systemAccount: system} : {}),
    serviceUrls: strings(nats['operator_service_urls']),
  }
}

async function readAccount(folder: string, fileName: string): Promise<NscAccount | undefined> {
  const claims = await readClaims(join(folder, `${fileName}.jwt`), 'A')
  return claims && {name: claims.name, folder, key: claims.key, signingKeys: strings(claims.nats['signing_keys'])}
}

async function readUser(operator: NscOperator, account: NscAccount, file: string): Promise<NscUser | undefined> {
  const claims = await readClaims(file, 'U')
  if (claims === undefined) return undefined
  const credsFile = await findCredsFile(operator, account.name, claims.name)
  const {name, key, expires} = claims
  return {name, key, ...(expires === undefined ? {} : {expires}), ...(credsFile === undefined ? {} : {credsFile})}
}

async function findCredsFile(
  {name, keystores}: NscOperator,
  account: string,
  user: string,
): Promise<string | undefined> {
  // Names come from tokens, which may hold anything.
  if (![name, account, user].every(isFileName)) return undefined
  for (const keystore of keystores) {
    const file = join(keystore, 'creds', name, account, `${user}.creds`)
    if ((await readStoreFile(file)) !== undefined) return file
  }
  return undefined
}

function isFileName(text: string): boolean {
  return !/[/\\\0]|^\.{0,2}$/.test(text)
}

interface Claims {
  readonly name: string
  readonly key: string
  readonly expires?: number
  readonly nats: JsonObject
}

/** What a token of the store says; undefined when the file is not one of that kind. */
async function readClaims(file: string, kind: KeyKind): Promise<Claims | undefined> {
  const text = await readStoreFile(file)
  if (text === undefined) return undefined
  try {
    const {payload, signed} = decodeToken(text)
    const {sub, name, exp, nats} = payload
    if (!signed || typeof sub !== 'string' || !sub.startsWith(kind)) return undefined
    const body = typeof nats === 'object' && nats !== null ? (nats as JsonObject) : {}
    const expires = typeof exp === 'number' && exp > 0 ? {expires: exp} : {}
    return {name: typeof name === 'string' ? name : '', key: sub, ...expires, nats: body}
  } catch {
    return undefined
  }
}

function keyOf(text: string, kind: KeyKind): SigningKey | undefined {
  try {
    return parseSeed(text, kind)
  } catch {
    return undefined
  }
}

function parseJson(text: string | undefined): JsonObject | undefined {
  try {
    return (text === undefined ? undefined : JSON.parse(text)) as JsonObject | undefined
  } catch {
    return undefined
  }
}

/** Scoped signing keys stand among the others as objects. */
function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : []
}

function sortByName<T extends {readonly name: string}>(things: readonly T[]): T[] {
  return [...things].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

function onlyOne(operators: readonly NscOperator[], folder: string): NscOperator | undefined {
  if (operators.length <= 1) return operators[0]
  throw new ConnectionError(`The folder '${folder}' holds several nsc operators.`, {
    suggestions: operators.map((operator) => `--nsc-store ${operator.folder}`),
    details: {folder, operators: operators.map(({name}) => name)},
  })
}

/** The folder that was named is no nsc store. */
class NoNscStoreError extends ConnectionError {
  constructor(folder: string) {
    super(`The folder '${folder}' holds no nsc operator.`, {
      suggestions: ['Name the folder that holds the file .nsc, as `nsc env` shows it, or the operator.'],
      details: {folder},
    })
  }
}

/** No nsc store has such an operator. */
export class NoNscOperatorError extends ConnectionError {
  constructor(nameOrFolder: string, known: readonly NscOperator[]) {
    super(`No nsc operator '${nameOrFolder}' is in the stores of this user.`, {
      suggestions:
        known.length > 0 ? known.map(({name}) => `--nsc-store ${name}`) : ['nsc env', 'NSC_HOME and XDG_DATA_HOME'],
      details: {operator: nameOrFolder},
    })
  }
}
