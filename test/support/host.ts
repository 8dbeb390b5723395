import {fileURLToPath} from 'node:url'

import {ControlClient} from '../../src/lib/control/client.js'
import {Host, type HostOptions} from '../../src/lib/host/host.js'
import type {HostReport} from '../../src/lib/host/report.js'
import {createKey, keyFromText, type SigningKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {until} from './until.js'

/** Folder with `echo-1.0.0.wasm` and `echo-2.0.0.wasm`. */
export const echoFolder = fileURLToPath(new URL('../../examples/echo/build', import.meta.url))

/** Reference of one version of the echo actor. */
export function echoRef(version: '1.0.0' | '2.0.0'): string {
  return `file://${echoFolder}/echo-${version}.wasm`
}

/** The cluster key of tests that have no file with one. */
export const testClusterKey = keyFromText('C', 'lattice test cluster')

export interface TestHostOptions extends Partial<Omit<HostOptions, 'spec' | 'report'>> {
  /** Server of the host: its whole spec, or its URL. */
  readonly server: {
    readonly url: string
    readonly spec?: (lattice?: string) => ConnectSpec
    readonly clusterKey?: SigningKey
  }
  readonly lattice: string
}

/** A host in this process, with what it told and a client of its lattice. */
export interface TestHost extends AsyncDisposable {
  readonly host: Host
  readonly id: string
  readonly client: ControlClient
  readonly clusterKey: SigningKey
  readonly reports: readonly HostReport[]
  /** Waits for an event of that name since the last call of `clear`; its data. */
  event: (name: string) => Promise<Readonly<Record<string, unknown>>>
  clear: () => void
}

/** A spec for a server without credentials. */
export function plainSpec(url: string, lattice: string): ConnectSpec {
  return {servers: [url], lattice, protected: false, timeoutMs: 5000, connectTimeoutMs: 5000}
}

/** Starts a host that may open the echo actor's files: `await using host = await startHost({server, lattice})`. */
export async function startHost({server, lattice, ...options}: TestHostOptions): Promise<TestHost> {
  const reports: HostReport[] = []
  const spec = server.spec?.(lattice) ?? plainSpec(server.url, lattice)
  const clusterKey = options.clusterKey ?? server.clusterKey ?? testClusterKey
  const host = await Host.open({
    spec,
    hostKey: createKey('N'),
    clusterIssuers: [],
    allowedIssuers: [],
    allowFiles: [echoFolder],
    maxWorkers: 4,
    labels: {'lattice.versioned-rpc': '1'},
    version: '0.1.0',
    rpcTimeoutMs: 2000,
    ...options,
    clusterKey,
    report: (report) => void reports.push(report),
  })
  const nc = await openConnection(spec)
  return {
    host,
    id: host.id,
    client: new ControlClient(nc, {lattice, timeoutMs: 5000}),
    clusterKey,
    reports,
    event: async (name) => {
      const find = (): HostReport | undefined =>
        reports.find((report) => report.kind === 'event' && report.name === name)
      await until(() => find() !== undefined, 5000)
      const found = find()
      return found?.kind === 'event' ? found.data : {}
    },
    clear: () => void reports.splice(0),
    [Symbol.asyncDispose]: async () => {
      await host.stop()
      await nc.close()
    },
  }
}
