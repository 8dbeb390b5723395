import {readFile} from 'node:fs/promises'

import {writeFileAtomic} from '../files/write-file.js'
import {createKey, type SigningKey} from '../keys/nkey.js'
import {readSeed, seedOf, userKey} from '../nats/creds.js'
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

/** Reads the keys again each time: a creds file may be replaced while the leaf node runs. */
export async function readLeafKeys({spec, leafKeyFile, controlKeyFile, acceptKeys}: KeySources): Promise<LeafKeys> {
  const [user, given, control] = await Promise.all([
    userKey(spec),
    leafKeyFile === undefined ? undefined : readSeed(leafKeyFile, {purpose: 'leaf key file', kind: 'U'}),
    controlKey(controlKeyFile),
  ])
  const keys = [user, given, control].filter((key) => key !== undefined)
  return {own: keys[0]!, accepts: [...new Set([...keys.map(({publicKey}) => publicKey), ...acceptKeys])]}
}

/** Made once. */
async function controlKey(file: string): Promise<SigningKey> {
  const known = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  })
  if (known !== undefined) return seedOf(known, file, {purpose: 'control key', kind: 'U'})
  const key = createKey('U')
  await writeFileAtomic(file, `${key.seed}\n`)
  return key
}
