import type {NatsConnection} from '@nats-io/transport-node'

import {LatticeError} from '../../errors.js'
import {askLeaf, type HeardLeaf} from '../../leaf/client.js'
import type {Monitoring, ServerIdentity, SystemReply} from '../../nats/system.js'
import {asSubscriptions, type OwnMonitoring} from './own-monitoring.js'

/**
 * Who listens at the account's servers, which any user may ask, and at our leaf nodes, which ask their own server. Their
 * links to each other are not among it, so that nobody is counted twice.
 */
export class LeafMonitoring implements Monitoring {
  readonly timeoutMs: number
  readonly #connection: NatsConnection
  readonly #hub: OwnMonitoring
  readonly #leaves: readonly HeardLeaf[]

  constructor(connection: NatsConnection, leaves: readonly HeardLeaf[], hub: OwnMonitoring) {
    this.timeoutMs = hub.timeoutMs
    this.#connection = connection
    this.#hub = hub
    this.#leaves = leaves
  }

  async servers(): Promise<ServerIdentity[]> {
    return [...(await this.#hub.servers()), ...this.#leaves.map(({server}) => server)]
  }

  async ask(endpoint: string, body?: unknown): Promise<SystemReply[]> {
    if (endpoint !== 'SUBSZ') return this.#hub.ask(endpoint, body)
    const [hub, leaves] = await Promise.all([
      this.#hub.ask(endpoint, body),
      Promise.all(this.#leaves.map((leaf) => this.#subscriptions(leaf, body))),
    ])
    return [...hub, ...leaves.flat()]
  }

  /** One that is gone shows when the change is verified. */
  async #subscriptions(leaf: HeardLeaf, body: unknown): Promise<SystemReply[]> {
    const asked = {endpoint: 'CONNZ', body: {subscriptions_detail: true, limit: 4096}, timeoutMs: this.timeoutMs}
    try {
      const {data} = (await askLeaf(this.#connection, leaf, asked)) as {readonly data?: unknown}
      // Its own name for the hub's servers is theirs, and what they ask for there is counted there.
      return [asSubscriptions({server: leaf.server, data}, body, {links: false})]
    } catch (error) {
      if (error instanceof LatticeError) return []
      throw error
    }
  }
}
