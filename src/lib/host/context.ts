import type {NatsConnection} from '@nats-io/transport-node'

import type {SigningKey} from '../keys/nkey.js'
import type {EventPublisher} from './events.js'
import type {LatticeRecords} from './records.js'
import type {Report} from './report.js'

/** What the parts of one host share. */
export interface HostContext {
  /** Public key `N…`. */
  readonly id: string
  readonly lattice: string
  readonly nc: NatsConnection
  /** Signs the calls that leave this host. */
  readonly clusterKey: SigningKey
  /** Public keys `C…` whose calls are accepted. */
  readonly clusterIssuers: ReadonlySet<string>
  /** Longest time a call may take, from its receipt. */
  readonly rpcTimeoutMs: number
  readonly records: LatticeRecords
  readonly events: EventPublisher
  readonly report: Report
}
