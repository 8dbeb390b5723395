import type {NatsConnection, Subscription} from '@nats-io/transport-node'

import {controlSubjects} from '../../src/lib/control/subjects.js'
import {formatAck, formatInventory, formatPing, readScaleActor} from '../../src/lib/control/v0-requests.js'
import {versionedLabel} from '../../src/lib/control/dialect.js'
import {parseVersion} from '../../src/lib/entity/version.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {legAddress, queueGroup, sourceOf, type Addressed} from '../../src/lib/routing/source.js'

/** A v0 host that runs what the test says: it answers control requests and calls, and does nothing of its own. */
export interface ScriptedHost {
  readonly id: string
  /** Bodies of the scale requests it got, in order. */
  readonly scaled: readonly ReturnType<typeof readScaleActor>[]
  /** Starts a version: it answers calls with its version, dark ones on their leg address only. */
  run: (actor: ScriptedActor) => Promise<void>
  /** Stops a version. */
  stop: (key: string, version: string) => Promise<void>
}

export interface ScriptedActor {
  readonly key: string
  readonly name: string
  readonly version: string
  readonly dark?: boolean
}

interface Running extends Required<ScriptedActor> {
  readonly subscriptions: Subscription[]
}

/** Puts a scripted host on a connection; it ends with it. */
export function scriptedHost(nc: NatsConnection, lattice: string): ScriptedHost {
  const id = createKey('N').publicKey
  const subjects = controlSubjects(lattice)
  const running: Running[] = []
  const scaled: ReturnType<typeof readScaleActor>[] = []
  const host = {
    id,
    name: 'scripted',
    version: '0.0.0',
    labels: {[versionedLabel]: '1'},
    uptimeSeconds: 1,
    lattice,
    versioned: true,
  } as const

  const answer = (subject: string, reply: (body: unknown) => object): void => {
    nc.subscribe(subject, {
      callback: (_error, message) => {
        message.respond(JSON.stringify(reply(message.data.length === 0 ? undefined : message.json())))
      },
    })
  }
  answer(subjects.ping, () => formatPing({...host, dialect: 'v0', clusterKey: '', clusterIssuers: [], server: ''}))
  answer(subjects.inventory(id), () => formatInventory({host, actors: inventoryOf(running), providers: []}, ''))
  answer(subjects.command(id, 'scale'), (body) => {
    const request = readScaleActor(body)
    scaled.push(request)
    const actor = running.find(({key, version}) => key === request.key && version === request.version)
    if (actor !== undefined && request.dark === false) {
      running[running.indexOf(actor)] = {...actor, dark: false}
      actor.subscriptions.push(listenOnSource(nc, lattice, actor))
    }
    return formatAck({accepted: actor !== undefined, error: actor === undefined ? 'not running' : ''})
  })

  return {
    id,
    scaled,
    run: async ({key, name, version, dark = false}) => {
      const entity: Addressed = {kind: 'actor', key}
      const leg = nc.subscribe(legAddress(lattice, entity, version), {
        queue: queueGroup(lattice, entity),
        callback: (_error, message) => void message.respond(version),
      })
      const subscriptions = [leg, ...(dark ? [] : [listenOnSource(nc, lattice, {key, version})])]
      running.push({key, name, version, dark, subscriptions})
      await nc.flush()
    },
    stop: async (key, version) => {
      const index = running.findIndex((actor) => actor.key === key && actor.version === version)
      for (const subscription of running.splice(index, 1)[0]!.subscriptions) subscription.unsubscribe()
      await nc.flush()
    },
  }
}

function listenOnSource(
  nc: NatsConnection,
  lattice: string,
  {key, version}: {key: string; version: string},
): Subscription {
  const source = sourceOf(lattice, {kind: 'actor', key})
  return nc.subscribe(source, {queue: source, callback: (_error, message) => void message.respond(version)})
}

function inventoryOf(running: readonly Running[]): Parameters<typeof formatInventory>[0]['actors'] {
  return [...new Set(running.map(({key}) => key))].map((key) => {
    const mine = running.filter((actor) => actor.key === key)
    return {
      key,
      name: mine[0]!.name,
      instances: mine.map(({version, dark}) => ({
        version: parseVersion(version),
        imageRef: `reg/${mine[0]!.name}:${version}`,
        count: 4,
        dark,
        annotations: {},
      })),
    }
  })
}
