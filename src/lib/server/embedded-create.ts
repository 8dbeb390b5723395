import {randomBytes} from 'node:crypto'
import {access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {basename, dirname, join, resolve} from 'node:path'

import type {Clock} from '../clock.js'
import {UnsafeError} from '../errors.js'
import {createKey, parseSeed} from '../keys/nkey.js'
import {writeFileAtomic} from '../files/write-file.js'
import {
  embeddedFiles,
  embeddedFolder,
  folderExists,
  hostFiles,
  writeState,
  type EmbeddedHost,
  type EmbeddedState,
} from './embedded-state.js'
import {createOperatorKeys, createUser, operatorTokens} from '../keys/operator.js'

export interface CreateOptions {
  readonly ephemeral: boolean
  readonly settings: Pick<EmbeddedState, 'hostCount' | 'issuer' | 'allowFiles' | 'allowedIssuers'>
  /** Where JetStream keeps its files; default: in the lattice's own folder. */
  readonly storeDir?: string | undefined
  readonly clock: Clock
}

/**
 * Makes the keys, tokens and folders of a new embedded lattice. The folder appears at once and complete, so that
 * nothing is ever half made. An ephemeral one lies in a temp folder, and the state directory only points there.
 */
export async function createEmbedded(
  name: string,
  {ephemeral, settings, storeDir, clock}: CreateOptions,
): Promise<EmbeddedState> {
  const final = embeddedFolder(name)
  await mkdir(dirname(final), {recursive: true, mode: 0o700})
  await removeDrafts(final)
  const draft = ephemeral
    ? await mkdtemp(join(tmpdir(), `lattice-${name}-`))
    : `${final}.${randomBytes(6).toString('hex')}.tmp`
  const folder = ephemeral ? draft : final
  const storeFolder = storeDir === undefined ? embeddedFiles(folder).store : resolve(storeDir)
  try {
    const keys = await writeKeys(draft, name, Math.floor(clock.now() / 1000))
    if (storeDir !== undefined) await claimStore(storeFolder, keys.operator)
    const state: EmbeddedState = {
      kind: 'lattice-embedded',
      version: 1,
      name,
      folder,
      storeFolder,
      ephemeral,
      ...keys,
      ...settings,
      hosts: [],
    }
    await writeFileAtomic(embeddedFiles(draft).marker, `${JSON.stringify(state, undefined, 2)}\n`)
    if (ephemeral) await writeState(state)
    else await rename(draft, final)
    return state
  } catch (error) {
    await rm(draft, {recursive: true, force: true})
    throw error
  }
}

/** What an interrupted start left; whoever calls this holds the lattice's lock. */
async function removeDrafts(final: string): Promise<void> {
  for (const entry of await readdir(dirname(final), {withFileTypes: true})) {
    const draft = entry.isDirectory() && entry.name.startsWith(`${basename(final)}.`) && entry.name.endsWith('.tmp')
    if (draft) await rm(join(dirname(final), entry.name), {recursive: true, force: true})
  }
}

type PublicKeys = Pick<EmbeddedState, 'operator' | 'account' | 'systemAccount'>

async function writeKeys(folder: string, name: string, now: number): Promise<PublicKeys> {
  const keys = createOperatorKeys()
  const clusterKey = createKey('C')
  const tokens = operatorTokens(keys, {operator: `lattice-${name}`, account: name}, now)
  const files = embeddedFiles(folder)
  for (const path of [folder, files.keys, files.accounts]) await mkdir(path, {recursive: true, mode: 0o700})
  const secrets: readonly (readonly [path: string, text: string])[] = [
    [files.operatorSeed, `${keys.operator.seed}\n`],
    [files.operatorSigningSeed, `${keys.operatorSigning.seed}\n`],
    [files.accountSeed, `${keys.account.seed}\n`],
    [files.systemAccountSeed, `${keys.systemAccount.seed}\n`],
    [files.clusterSeed, `${clusterKey.seed}\n`],
    [files.creds, createUser(keys.account, 'lattice', now).creds],
    [files.sysCreds, createUser(keys.systemAccount, 'lattice-sys', now).creds],
    [files.operatorToken, tokens.operator],
    [join(files.accounts, `${keys.account.publicKey}.jwt`), tokens.account],
    [join(files.accounts, `${keys.systemAccount.publicKey}.jwt`), tokens.systemAccount],
  ]
  for (const [path, text] of secrets) await writeFile(path, text, {mode: 0o600, flush: true})
  return {
    operator: keys.operator.publicKey,
    account: keys.account.publicKey,
    systemAccount: keys.systemAccount.publicKey,
  }
}

/** The identity of one more host: the one that it had before, else a new one. */
export async function createHost(folder: string, index: number): Promise<EmbeddedHost> {
  const {seed} = hostFiles(folder, index)
  const known = await readFile(seed, 'utf8').catch(() => undefined)
  const key = known === undefined ? createKey('N') : parseSeed(known, 'N')
  if (known === undefined) await writeFileAtomic(seed, `${key.seed}\n`)
  return {index, id: key.publicKey}
}

const storeMark = 'lattice-store.json'

/** Marks a folder that the user named; one that already holds another server's JetStream is refused. */
async function claimStore(folder: string, operator: string): Promise<void> {
  await mkdir(folder, {recursive: true, mode: 0o700})
  const files = await readdir(folder)
  if (files.includes('jetstream') || files.includes(storeMark)) {
    throw new UnsafeError(`The folder '${folder}' already holds a JetStream store.`, {
      suggestions: ['Give --store-dir an empty folder.'],
    })
  }
  await writeFile(join(folder, storeMark), `${JSON.stringify({operator})}\n`, {mode: 0o600})
}

/**
 * Removes everything of an embedded lattice that was made here. Folders without our mark are left alone, and of a
 * store folder that the user named only what the server put there is removed.
 */
export async function removeEmbedded(state: EmbeddedState): Promise<void> {
  const {name, folder, storeFolder} = state
  const away = {recursive: true, force: true, maxRetries: 5}
  if (storeFolder !== embeddedFiles(folder).store && (await exists(join(storeFolder, storeMark)))) {
    await rm(join(storeFolder, 'jetstream'), away)
    await rm(join(storeFolder, storeMark), {force: true})
  }
  if (await folderExists(state)) await rm(folder, away)
  await rm(embeddedFolder(name), away)
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
