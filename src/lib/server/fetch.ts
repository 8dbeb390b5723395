import {randomBytes} from 'node:crypto'
import {mkdir, mkdtemp, open, rename, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'

import {LatticeError, ServerError} from '../errors.js'
import {withFileErrors} from './file-error.js'
import {
  cachedPath,
  defaultCacheFolder,
  findNatsServer,
  readServerVersion,
  type FindOptions,
  type NatsServerBinary,
} from './find.js'
import {pinnedSums} from './pins.js'
import {releaseUrl, sources as allSources, type Source, type SourceOptions} from './sources.js'

/** What happens while a nats-server is fetched, one event a step. */
export type FetchEvent =
  | {readonly kind: 'trying'; readonly source: string}
  | {readonly kind: 'failed'; readonly source: string; readonly reason: string}
  | {readonly kind: 'fetched'; readonly source: string; readonly path: string; readonly version: string}

export interface FetchOptions extends FindOptions, Partial<Omit<SourceOptions, 'folder'>> {
  readonly sources?: readonly Source[]
  readonly report?: (event: FetchEvent) => void
}

export interface EnsureOptions extends FetchOptions {
  /** Never fetches; `LATTICE_OFFLINE=1` does the same. */
  readonly offline?: boolean
}

/** Finds a nats-server or fetches the pinned one; throws a ServerError that names the ways out when neither works. */
export async function ensureNatsServer(options: EnsureOptions = {}): Promise<NatsServerBinary> {
  const {env = process.env, offline = false} = options
  const found = await findNatsServer(options)
  if (found !== undefined) return found
  if (offline || isOn(env['LATTICE_OFFLINE'])) {
    throw new ServerError('There is no nats-server here, and offline none is fetched.', {suggestions: waysOut()})
  }
  return fetchNatsServer(options)
}

/**
 * Fetches the pinned nats-server into the cache: from the first source that has it, checked, and moved into place at
 * once, so that any number of processes may do so together. Throws a ServerError with each source's reason.
 */
export async function fetchNatsServer(options: FetchOptions = {}): Promise<NatsServerBinary> {
  const {cacheFolder = defaultCacheFolder(), sources = allSources, report = () => undefined} = options
  const failures: {source: string; reason: string}[] = []
  for (const source of sources) {
    report({kind: 'trying', source: source.name})
    try {
      const path = await fetchFrom(source, cacheFolder, options)
      report({kind: 'fetched', source: source.name, path, version: source.version})
      return {path, version: source.version, from: 'fetched'}
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
      failures.push({source: source.name, reason: error.message})
      report({kind: 'failed', source: source.name, reason: error.message})
    }
  }
  throw new ServerError('There is no nats-server here, and it could not be fetched from anywhere.', {
    suggestions: waysOut(),
    details: {failures},
  })
}

async function fetchFrom(source: Source, cacheFolder: string, options: FetchOptions): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lattice-fetch-'))
  try {
    const bytes = await source.fetch({
      releaseUrl: options.releaseUrl ?? releaseUrl,
      sums: options.sums ?? pinnedSums,
      platform: options.platform ?? process.platform,
      arch: options.arch ?? process.arch,
      connectTimeoutMs: options.connectTimeoutMs ?? 4000,
      stallTimeoutMs: options.stallTimeoutMs ?? 15_000,
      env: options.env ?? process.env,
      folder,
    })
    const path = cachedPath(cacheFolder, source.version)
    return await withFileErrors(`Could not write '${path}'`, () => install(bytes, path, source.version))
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

/** Renames a complete, working binary into place; what does not answer `-v` with that version is removed. */
async function install(bytes: Buffer, path: string, version: string): Promise<string> {
  await mkdir(dirname(path), {recursive: true})
  // The name ends in .exe where that makes it executable.
  const temporary = join(dirname(path), `.${process.pid}-${randomBytes(6).toString('hex')}.tmp.exe`)
  try {
    await writeExecutable(temporary, bytes)
    const answered = await readServerVersion(temporary)
    if (answered !== version) {
      throw new ServerError(
        `The fetched nats-server does not run here${answered === undefined ? '' : `: it says it is ${answered}`}.`,
      )
    }
    await rename(temporary, path).catch(async (error: unknown) => {
      // Windows refuses to replace a running program; another process was first, and its binary is as good.
      if ((await readServerVersion(path)) !== version) throw error
    })
    return path
  } finally {
    await rm(temporary, {force: true})
  }
}

async function writeExecutable(path: string, bytes: Buffer): Promise<void> {
  await using file = await open(path, 'wx', 0o755)
  await file.writeFile(bytes)
  await file.sync()
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no'].includes(value.toLowerCase())
}

function waysOut(): string[] {
  return [
    'Set LATTICE_NATS_SERVER to the path of a nats-server 2.10 or later.',
    'brew install nats-server  (macOS, Linux with Homebrew)',
    'choco install nats-server  (Windows)',
    'go install github.com/nats-io/nats-server/v2@latest  (with Go)',
  ]
}
