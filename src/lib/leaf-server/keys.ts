import {readFile} from 'node:fs/promises'

import {writeFileAtomic} from '../files/write-file.js'
import {createKey, type SigningKey} from '../keys/nkey.js'
import {readSeed, seedOf, userKey} from '../nats/creds.js'
import {pathScheme} from '../nats/secret-files.js'
import type {ConnectSpec} from '../nats/spec.js'

/** Who stands for a leaf node, and whose changes it takes. */
export interface LeafKeys {
  /** Signs what it says of itself. */
  readonly own: SigningKey
  readonly accepts: readonly string[]
}

export interface KeySources {
  readonly spec: ConnectSpec
  /** File with the seed of a user that is for leaf nodes only. */
  readonly leafKeyFile?: string | undefined
  /** Where the key lies that each leaf node has of its own. */
  readonly controlKeyFile: string
  readonly acceptKeys: readonly string[]
}

/** Reads all keys; the control key is made the first time. */
export async function readLeafKeys(sources: KeySources): Promise<LeafKeys> {
  const known = await readKeys(sources)
  const keys = known.control === undefined ? {...known, control: await createControlKey(sources)} : known
  return {own: keys.user ?? keys.given ?? keys.control!, accepts: acceptedBy(keys, sources)}
}

/** Whose changes a leaf node takes, as far as there are keys already. */
export async function readAccepted(sources: KeySources): Promise<readonly string[]> {
  return acceptedBy(await readKeys(sources), sources)
}

/** True where the credentials are a file that may be replaced; helper programs are asked once. */
export function mayBeRenewed({spec: {credentials}}: KeySources): boolean {
  if (credentials?.kind !== 'creds' && credentials?.kind !== 'nkey') return false
  return ['file', undefined].includes(pathScheme(credentials.file))
}

interface Keys {
  /** Of the credentials' own user; users with a password have none. */
  readonly user: SigningKey | undefined
  readonly given: SigningKey | undefined
  readonly control: SigningKey | undefined
}

async function readKeys({spec, leafKeyFile, controlKeyFile}: KeySources): Promise<Keys> {
  const [user, given, control] = await Promise.all([
    userKey(spec),
    leafKeyFile === undefined ? undefined : readSeed(leafKeyFile, {purpose: 'leaf key file', kind: 'U'}),
    readControlKey(controlKeyFile),
  ])
  return {user, given, control}
}

function acceptedBy({user, given, control}: Keys, {acceptKeys}: KeySources): string[] {
  const own = [user, given, control].flatMap((key) => (key === undefined ? [] : [key.publicKey]))
  return [...new Set([...own, ...acceptKeys])]
}

async function readControlKey(file: string): Promise<SigningKey | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  })
  return text === undefined ? undefined : seedOf(text, file, {purpose: 'control key', kind: 'U'})
}

async function createControlKey({controlKeyFile}: KeySources): Promise<SigningKey> {
  const key = createKey('U')
  await writeFileAtomic(controlKeyFile, `${key.seed}\n`)
  return key
}
