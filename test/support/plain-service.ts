import {randomUUID} from 'node:crypto'

import type {NatsConnection} from '@nats-io/transport-node'

/** A service that answers with its version, in 1.0.0 and 2.0.0, on plain subjects that no other test uses. */
export interface PlainService {
  readonly source: string
  /** Where the versions listen. */
  readonly addresses: readonly string[]
  /** The flags that name it. */
  readonly words: readonly string[]
  /** Lets versions answer on a connection, both by default. */
  serve: (nc: NatsConnection, ...versions: readonly string[]) => Promise<void>
}

export function plainService(): PlainService {
  const name = `s${randomUUID().slice(0, 8)}`
  const legs = ['1.0.0', '2.0.0'].map((version) => ({version, subject: `${name}.v${version[0]!}.get`}))
  const source = `${name}.get`
  return {
    source,
    addresses: legs.map(({subject}) => subject),
    words: ['--source', source, ...legs.flatMap(({version, subject}) => ['--leg', `${version}=${subject}`])],
    serve: async (nc, ...versions) => {
      for (const {version, subject} of legs) {
        if (versions.length > 0 && !versions.includes(version)) continue
        nc.subscribe(subject, {queue: name, callback: (_error, message) => void message.respond(version)})
      }
      await nc.flush()
    },
  }
}
