import {join} from 'node:path'

import {connect} from '@nats-io/transport-node'

import {Bucket, ensureBucket} from '../../src/lib/cache/bucket.js'
import {formatClaims} from '../../src/lib/records/universal.js'
import {startNatsServer, type TestServer} from './nats-server.js'
import {run, type RunResult} from './run.js'

/** A server with JetStream on which every test has a lattice of its own. */
export interface CacheServer extends AsyncDisposable {
  readonly server: TestServer
  /** One request of the server's, as JSON. */
  request: <T>(subject: string, body?: string) => Promise<T>
  /** Subjects of API requests while `work` runs. */
  watchRequests: (work: () => Promise<unknown>) => Promise<string[]>
  lattice: (options?: {readonly buckets?: boolean}) => Promise<TestLattice>
}

export interface TestLattice {
  readonly name: string
  readonly data: Bucket
  readonly versions: Bucket
  /** One more of its buckets, such as `CONFIGDATA`, made on the first write. */
  bucket: (kind: string) => {readonly put: (key: string, value: Uint8Array) => Promise<number>}
  /** Flags that lead a command here. */
  readonly where: readonly string[]
  run: (command: Parameters<typeof run>[0], ...argv: readonly string[]) => Promise<RunResult>
  /** Stores claims as a host does: the base record, and the versioned one. */
  storeClaims: (key: string, fields: Readonly<Record<string, string>>) => Promise<void>
}

/** Starts it: `const cache = await startCacheServer()` in beforeAll. */
export async function startCacheServer(): Promise<CacheServer> {
  const server = await startNatsServer({jetstream: true})
  const nc = await connect({servers: server.url})
  let count = 0
  const env = {XDG_CONFIG_HOME: join(server.dir, 'config'), LATTICE_CONTEXT: undefined}
  return {
    server,
    request: async <T>(subject: string, body = '') => (await nc.request(subject, body)).json<T>(),
    watchRequests: async (work) => {
      const asked: string[] = []
      const spy = nc.subscribe('$JS.API.>', {callback: (_error, msg) => void asked.push(msg.subject)})
      await nc.flush()
      await work()
      await nc.flush()
      spy.unsubscribe()
      return asked
    },
    lattice: async ({buckets = true} = {}) => {
      const name = `l${count++}`
      const where = ['-s', server.url, '-l', name]
      const open = (bucket: string): Promise<Bucket> | Bucket =>
        buckets ? ensureBucket(nc, bucket, {}, {storage: 'memory'}) : Bucket.at(nc, bucket, {})
      const data = await open(`LATTICEDATA_${name}`)
      const versions = await open(`LATTICEVERSIONS_${name}`)
      return {
        name,
        data,
        versions,
        bucket: (kind) => ({
          put: async (key, value) => {
            const bucket = await ensureBucket(nc, `${kind}_${name}`, {}, {storage: 'memory'})
            return bucket.put(key, value)
          },
        }),
        where,
        run: (command, ...argv) => run(command, [...argv, ...where], env),
        storeClaims: async (key, fields) => {
          const value = bytes(formatClaims({sub: key, iss: 'A', ...fields}))
          await data.put(`CLAIMS_${key}`, value)
          const version = fields['version']
          if (version) await versions.put(`${key}.${Buffer.from(version).toString('base64url')}`, value)
        },
      }
    },
    [Symbol.asyncDispose]: async () => {
      await nc.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** UTF-8. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** True when a terminal obeys nothing in the output but line ends. */
export function printable(output: string): boolean {
  return !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(output.replaceAll('\n', ''))
}

/** What a failing command prints under `--json`. */
export interface Failure {
  readonly error: {
    readonly kind: string
    readonly message: string
    readonly suggestions: string[]
    readonly details: Readonly<Record<string, unknown>>
  }
}
