import {readdir, readFile, stat} from 'node:fs/promises'
import {homedir} from 'node:os'
import {basename, dirname, join, resolve} from 'node:path'

import {ConnectionError} from '../errors.js'
import {expandPath} from '../files/expand.js'
import {configDir, dataDir} from '../files/paths.js'

/** The folder of one operator, and the folders in which its keys may lie. */
export interface NscPlace {
  /** Holds `.nsc`, `<operator>.jwt` and `accounts`. */
  readonly folder: string
  /** Each holds `keys` and `creds`. */
  readonly keystores: readonly string[]
}

/**
 * The operators of this user, in nsc's order: where `nsc.json` points, then the new places, then the old ones. As in nsc,
 * `NSC_HOME` and `NKEYS_PATH` move its file and its keys, and `XDG_*` all of it.
 */
export async function findNscPlaces(): Promise<NscPlace[]> {
  const roots = [await configuredRoot(), join(dataDir(), 'nats', 'nsc', 'stores'), join(homedir(), '.nsc', 'nats')]
  const folders: string[] = []
  for (const root of new Set(roots.filter((root) => root !== undefined))) folders.push(...(await operatorFolders(root)))
  return [...new Set(folders)].map((folder) => ({folder, keystores: keystoresOf(folder)}))
}

/**
 * The operators of a folder that the user names: that of one operator, one that holds several, or one that holds both
 * stores and keys (`nsc --all-dirs`, `XDG_DATA_HOME/nats/nsc`).
 */
export async function findNscPlacesIn(path: string): Promise<NscPlace[]> {
  const folder = resolve(await expandPath(path))
  const own = (await isOperator(folder)) ? [folder] : await operatorFolders(folder)
  const found = own.length > 0 ? own : await operatorFolders(join(folder, 'stores'))
  return found.map((folder) => ({folder, keystores: keystoresOf(folder)}))
}

/** A small text file of a store; undefined when it is not there. Throws a ConnectionError when it may not be read. */
export async function readStoreFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const {code = 'unknown'} = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new ConnectionError(`The file '${path}' of the nsc store cannot be read (${code}).`, {details: {file: path}})
  }
}

/** Names in a folder of a store, sorted; none when there is no such folder. */
export async function listStoreFolder(path: string): Promise<string[]> {
  return (await readdir(path).catch(() => [])).sort()
}

/** The store that nsc itself would use. */
async function configuredRoot(): Promise<string | undefined> {
  const home = process.env['NSC_HOME']
  const folders = home ? [await expandPath(home)] : [join(configDir(), 'nats', 'nsc'), join(homedir(), '.nsc')]
  for (const folder of folders) {
    const text = await readFile(join(folder, 'nsc.json'), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const root = storeRoot(text)
    return root === undefined ? undefined : resolve(folder, root)
  }
  return undefined
}

function storeRoot(text: string): string | undefined {
  try {
    const {store_root: root} = JSON.parse(text) as {store_root?: unknown}
    return typeof root === 'string' && root !== '' ? root : undefined
  } catch {
    return undefined
  }
}

async function operatorFolders(root: string): Promise<string[]> {
  const folders = (await listStoreFolder(root)).map((name) => join(root, name))
  const marked = await Promise.all(folders.map(isOperator))
  return folders.filter((_folder, index) => marked[index])
}

async function isOperator(folder: string): Promise<boolean> {
  return stat(join(folder, '.nsc')).then(
    (status) => status.isFile(),
    () => false,
  )
}

/** Keys lie beside the store, in it, or where nsc puts them by default. */
function keystoresOf(folder: string): string[] {
  const root = dirname(folder)
  const named = process.env['NKEYS_PATH']
  return [
    ...(named ? [resolve(named)] : []),
    ...(basename(root) === 'stores' ? [join(dirname(root), 'keys')] : []),
    root,
    join(dataDir(), 'nats', 'nsc', 'keys'),
    join(homedir(), '.nkeys'),
  ].filter((path, index, all) => all.indexOf(path) === index)
}
