import {readFile, stat} from 'node:fs/promises'
import {availableParallelism} from 'node:os'
import {join} from 'node:path'

import {ConnectionError, UsageError} from '../errors.js'
import {createKey, isPublicKey} from '../keys/nkey.js'
import {readSeedFile} from '../nats/creds.js'
import {packageFolder} from '../files/package.js'
import {expandHome} from '../files/paths.js'
import type {ConnectSpec} from '../nats/spec.js'
import type {HostOptions} from './host.js'
import {hostLabels} from './identity.js'

/** What a user says about a host, as far as it was said. */
export interface HostSettings {
  readonly hostSeedFile?: string | undefined
  readonly clusterIssuers?: readonly string[] | undefined
  readonly allowedIssuers?: readonly string[] | undefined
  readonly allowFiles?: readonly string[] | undefined
  readonly stateFile?: string | undefined
  readonly maxWorkers?: number | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly rpcTimeoutMs?: number | undefined
}

const workersPerCore = 4
const rpcTimeoutMs = 2000

/** Everything a host needs: seeds read, folders looked at, defaults filled in. Throws what is wrong with any of it. */
export async function readHostOptions(spec: ConnectSpec, settings: HostSettings): Promise<Omit<HostOptions, 'report'>> {
  const {hostSeedFile, stateFile, clusterIssuers = [], allowedIssuers = [], allowFiles = []} = settings
  if (spec.clusterSeedFile === undefined) throw new MissingClusterSeedError()
  checkKeys(clusterIssuers, 'C', '--cluster-issuer')
  checkKeys(allowedIssuers, 'A', '--allowed-issuer')
  return {
    spec,
    clusterKey: await readSeedFile(spec.clusterSeedFile, 'cluster seed file', 'C'),
    hostKey: hostSeedFile === undefined ? createKey('N') : await readSeedFile(hostSeedFile, 'host seed file', 'N'),
    clusterIssuers,
    allowedIssuers,
    allowFiles: await Promise.all(allowFiles.map(checkFolder)),
    ...(stateFile === undefined ? {} : {stateFile: expandHome(stateFile)}),
    maxWorkers: settings.maxWorkers ?? workersPerCore * availableParallelism(),
    labels: hostLabels(settings.labels ?? {}, process),
    version: await packageVersion(),
    rpcTimeoutMs: settings.rpcTimeoutMs ?? rpcTimeoutMs,
  }
}

/** Of this program, as its package says. */
async function packageVersion(): Promise<string> {
  const text = await readFile(join(packageFolder(), 'package.json'), 'utf8')
  return (JSON.parse(text) as {version: string}).version
}

/** A host cannot check calls without the key of its cluster, and one of its own would fit no other. */
class MissingClusterSeedError extends ConnectionError {
  constructor() {
    super('A host signs and checks calls with the cluster seed, and none is known.', {
      suggestions: [
        '--cluster-seed-file FILE (or LATTICE_CLUSTER_SEED_FILE)',
        '"clusterSeedFile" in the lattice part of the context',
      ],
    })
  }
}

function checkKeys(keys: readonly string[], kind: 'A' | 'C', flag: string): void {
  const wrong = keys.find((key) => !isPublicKey(key, kind))
  if (wrong !== undefined) throw new UsageError(`${flag} takes a public key that starts with ${kind}, not '${wrong}'.`)
}

async function checkFolder(folder: string): Promise<string> {
  const path = expandHome(folder)
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true) return path
  throw new UsageError(`--allow-files takes a folder, and '${folder}' is none.`)
}
