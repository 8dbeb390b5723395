import {execFile} from 'node:child_process'
import {constants} from 'node:fs'
import {access} from 'node:fs/promises'
import {delimiter, join} from 'node:path'
import {promisify} from 'node:util'

import {systemClock} from '../clock.js'
import {UsageError} from '../errors.js'
import {cacheDir} from '../files/paths.js'
import {pinnedVersion, wheelVersion} from './pins.js'

/** A nats-server that answered `-v`. */
export interface NatsServerBinary {
  readonly path: string
  readonly version: string
  readonly from: 'LATTICE_NATS_SERVER' | 'PATH' | 'cache' | 'fetched'
}

export interface FindOptions {
  readonly env?: NodeJS.ProcessEnv
  /** The folder that holds `<version>/nats-server`; default: in the user's cache directory. */
  readonly cacheFolder?: string
}

const run = promisify(execFile)
const executable = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server'

/** The folder where fetched servers are kept, one subfolder a version. */
export function defaultCacheFolder(): string {
  return join(cacheDir(), 'lattice', 'nats-server')
}

/** Where the cache keeps the server of a version. */
export function cachedPath(cacheFolder: string, version: string): string {
  return join(cacheFolder, version, executable)
}

/**
 * Finds a nats-server: `LATTICE_NATS_SERVER`, then `PATH` if it is 2.14.8 or later and not 2.15.0, then the cache.
 * Undefined when there is none; throws a UsageError when `LATTICE_NATS_SERVER` names something else.
 */
export async function findNatsServer(options: FindOptions = {}): Promise<NatsServerBinary | undefined> {
  const {env = process.env, cacheFolder = defaultCacheFolder()} = options
  const named = env['LATTICE_NATS_SERVER']
  if (named !== undefined && named !== '') return namedServer(named)
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = join(folder, executable)
    const version = await readServerVersion(path)
    if (version !== undefined && isGoodVersion(version)) return {path, version, from: 'PATH'}
  }
  for (const candidate of cachedVersions) {
    const path = cachedPath(cacheFolder, candidate)
    const version = await readServerVersion(path)
    if (version !== undefined) return {path, version, from: 'cache'}
  }
  return undefined
}

const cachedVersions = [pinnedVersion, wheelVersion]

async function namedServer(path: string): Promise<NatsServerBinary> {
  const version = await readServerVersion(path)
  if (version === undefined) {
    throw new UsageError(`LATTICE_NATS_SERVER names '${path}', which is not a nats-server.`, {
      suggestions: ['unset LATTICE_NATS_SERVER'],
    })
  }
  if (compareNumbers(version, '2.10.0') < 0) {
    throw new UsageError(`LATTICE_NATS_SERVER names a nats-server ${version}, and 2.10 or later is needed.`, {
      suggestions: ['unset LATTICE_NATS_SERVER'],
    })
  }
  return {path, version, from: 'LATTICE_NATS_SERVER'}
}

/** The version that a nats-server binary reports, without the `v`; undefined for anything else. */
export async function readServerVersion(path: string): Promise<string | undefined> {
  for (let triesLeft = 20; ; triesLeft--) {
    try {
      await access(path, constants.X_OK)
      const {stdout} = await run(path, ['-v'], {timeout: 10_000})
      return /^nats-server: v?(\d+\.\d+\.\d+\S*)/.exec(stdout.trim())?.[1]
    } catch (error) {
      // A program just written is busy while a process that is being started still holds a copy of the open file.
      if ((error as NodeJS.ErrnoException).code !== 'ETXTBSY' || triesLeft === 0) return undefined
      await systemClock.sleep(50)
    }
  }
}

/** True for versions whose account pushes and reloads behave; 2.15.0 lacks the mapping checks of 2.14.8. */
export function isGoodVersion(version: string): boolean {
  return compareNumbers(version, '2.14.8') >= 0 && compareNumbers(version, '2.15.0') !== 0
}

function compareNumbers(left: string, right: string): number {
  const [a, b] = [numbersOf(left), numbersOf(right)]
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

function numbersOf(version: string): [number, number, number] {
  const [major = '0', minor = '0', patch = '0'] = version.split('-', 1).join().split('.')
  return [Number(major), Number(minor), Number.parseInt(patch, 10)]
}
