import type {NatsConnection} from '@nats-io/transport-node'

import {ControlClient} from '../../src/lib/control/client.js'
import type {EntityRef} from '../../src/lib/entity/entity.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import {Routes} from '../../src/lib/routes/routes.js'
import {openStore, type RouteStore} from '../../src/lib/routes/store/store.js'
import {legAddress, queueGroup, sourceOf, type Addressed} from '../../src/lib/routing/source.js'

/** Routes as a command opens them, with the connections they use; dispose it. */
export interface TestRoutes extends AsyncDisposable {
  readonly routes: Routes
  readonly store: RouteStore
  readonly connection: NatsConnection
  readonly system: SystemClient
  readonly spec: ConnectSpec
}

export async function openRoutes(spec: ConnectSpec, options: {secondsAhead?: number} = {}): Promise<TestRoutes> {
  const [connection, system] = await Promise.all([openConnection(spec), SystemClient.open(spec)])
  const control = new ControlClient(connection, {lattice: spec.lattice, timeoutMs: spec.timeoutMs})
  const routes = await Routes.open({connection, spec, control, system: () => Promise.resolve(system), ...options})
  return {
    routes,
    store: await openStore(connection, spec),
    connection,
    system,
    spec,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([system[Symbol.asyncDispose](), connection.close()])
    },
  }
}

/** An actor that no host shows; its full key is name enough. */
export function testActor(): {readonly entity: Addressed; readonly ref: EntityRef} {
  const key = createKey('M').publicKey
  return {entity: {kind: 'actor', key}, ref: {name: key}}
}

export interface ServeOptions {
  /** Listen on the versioned subject only. */
  readonly dark?: boolean
}

/** Answers calls of one version with its name, as a host subscribes for it. */
export function serveVersion(
  nc: NatsConnection,
  {lattice, entity, version}: {readonly lattice: string; readonly entity: Addressed; readonly version: string},
  {dark = false}: ServeOptions = {},
): void {
  const subjects = [
    [legAddress(lattice, entity, version), queueGroup(lattice, entity)],
    ...(dark ? [] : [[sourceOf(lattice, entity), queueGroup(lattice, entity)]]),
  ] as const
  for (const [subject, queue] of subjects) {
    nc.subscribe(subject, {queue: queue, callback: (_error, message) => void message.respond(version)})
  }
}

/** How many of so many requests each version answered; a request that failed counts as `lost`. */
export async function measure(nc: NatsConnection, source: string, requests: number): Promise<Record<string, number>> {
  const answers = await Promise.all(
    Array.from({length: requests}, () =>
      nc.request(source, '', {timeout: 5000}).then(
        (message) => message.string(),
        () => 'lost',
      ),
    ),
  )
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1
  return counts
}
