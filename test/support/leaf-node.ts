import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'

import {systemClock} from '../../src/lib/clock.js'
import type {SigningKey} from '../../src/lib/keys/nkey.js'
import {changeLeaf, readLeaves, type HeardLeaf} from '../../src/lib/leaf/client.js'
import type {ChangeReply, LeafChange} from '../../src/lib/leaf/state.js'
import type {LeafReport} from '../../src/lib/leaf-server/report.js'
import {runLeaf} from '../../src/lib/leaf-server/run.js'
import type {LeafSettings} from '../../src/lib/leaf-server/settings.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {tempFolder} from './temp.js'
import {until} from './until.js'

/** A leaf node that runs in this process, with a real server. */
export interface LeafNode extends AsyncDisposable {
  readonly id: string
  readonly url: string
  /** Its files; removed at the end unless it was given. */
  readonly folder: string
  readonly accepts: readonly string[]
  readonly reports: readonly LeafReport[]
  /** Waits until it told so, after what it told before the last `sees`. */
  sees: (told: Partial<Record<string, unknown>>, withinMs?: number) => Promise<LeafReport>
  stop: () => Promise<void>
}

export interface LeafNodeOptions extends Partial<LeafSettings> {
  readonly folder?: string
}

/** Runs a leaf node beside its callers for `orders.>`, unless told otherwise; resolves when it is ready. */
export async function runLeafNode(spec: ConnectSpec, {folder, ...settings}: LeafNodeOptions = {}): Promise<LeafNode> {
  await using unlessStarted = new AsyncDisposableStack()
  const path = folder ?? join(unlessStarted.use(await tempFolder()).path, 'leaf')
  const reports: LeafReport[] = []
  const end = new AbortController()
  const wanted = {...defaults, sources: settings.accountWide === true ? [] : ['orders.>'], ...settings}
  const report = (event: LeafReport): void => void reports.push(event)
  const running = runLeaf(spec, wanted, {signal: end.signal, clock: systemClock, report, folder: path, everyMs: 300})
  let failure: Error | undefined
  running.catch((error: unknown) => (failure = error as Error))
  const stop = async (): Promise<void> => {
    end.abort('SIGTERM')
    await running.catch(() => undefined)
  }
  unlessStarted.defer(stop)
  const failed = (): void => {
    if (failure !== undefined) throw failure
  }
  await until(() => reports.some(({kind}) => kind === 'ready'), 15_000, failed)
  const ready = reports.find((event) => event.kind === 'ready')!
  const ends = unlessStarted.move()
  let seen = 0
  return {
    id: ready.id,
    url: ready.url,
    accepts: ready.accepts,
    folder: path,
    reports,
    async sees(told, withinMs = 10_000) {
      const fits = (event: LeafReport): boolean =>
        Object.entries(told).every(([key, value]) => (event as unknown as Record<string, unknown>)[key] === value)
      await until(() => reports.slice(seen).some(fits), withinMs).catch((error: unknown) => {
        throw new Error(`${String(error)} Told was: ${JSON.stringify(reports.slice(1))}`)
      })
      const at = reports.findIndex((event, index) => index >= seen && fits(event))
      seen = at + 1
      return reports[at]!
    },
    stop,
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

const defaults: LeafSettings = {
  name: 'default',
  sources: [],
  accountWide: false,
  listen: {host: '127.0.0.1', port: 0},
  remotes: [],
  acceptKeys: [],
  allow: [],
  offline: true,
}

/** One leaf node as it tells of itself. */
export async function readLeaf(nc: NatsConnection, id: string, lattice = 'default'): Promise<HeardLeaf> {
  // Most often there is one alone, and then nobody else has to be waited for.
  for (const more of [{expect: 1}, {}]) {
    const leaf = (await readLeaves(nc, {lattice, timeoutMs: 2000, ...more})).find((one) => one.id === id)
    if (leaf !== undefined) return {...leaf, live: sorted(leaf.live)}
  }
  throw new Error(`No leaf node '${id}' answers.`)
}

/** A server tells the destinations by their shares. */
export function sorted<T extends HeardLeaf['live']>(live: T): T {
  if (live === null) return live
  const entries = Object.entries(live).map(([source, list]) => [source, list.toSorted(bySubject)] as const)
  return Object.fromEntries(entries) as T
}

function bySubject(one: {readonly subject: string}, other: {readonly subject: string}): number {
  return one.subject < other.subject ? -1 : 1
}

/** What a test sends, by default as it should be. */
export interface Told extends Partial<LeafChange> {
  readonly key: SigningKey
  readonly to: string
}

/** Sends a change to a leaf node as it is now. */
export async function tellLeaf(nc: NatsConnection, {key, to, ...change}: Told): Promise<ChangeReply> {
  const {nonce, digest} = await readLeaf(nc, to)
  const asked = {leaf: to, nonce, expects: digest, change: [seventy('orders.get')], ...change}
  return changeLeaf(nc, {lattice: 'default', change: asked, key}, 10_000)
}

/** 70 % on `….v1`, 30 % on `….v2`. */
export function seventy(source: string): LeafChange['change'][number] {
  const destinations = [
    {subject: `${source}.v1`, weight: 70},
    {subject: `${source}.v2`, weight: 30},
  ]
  return {source, destinations}
}

/** What so many requests at an address were answered with, counted; those without an answer as ''. */
export async function askMany(url: string, subject: string, count: number): Promise<Record<string, number>> {
  const nc = await openConnection(callerSpec(url))
  try {
    const answers = await Promise.all(
      Array.from({length: count}, () =>
        nc.request(subject, '', {timeout: 3000}).then(
          (reply) => reply.string(),
          () => '',
        ),
      ),
    )
    return Object.fromEntries([...Map.groupBy(answers, (answer) => answer)].map(([key, all]) => [key, all.length]))
  } finally {
    await nc.close()
  }
}

/** Of a caller that needs no name. */
export function callerSpec(url: string): ConnectSpec {
  return {servers: [url], lattice: 'default', protected: false, timeoutMs: 3000, connectTimeoutMs: 3000}
}
