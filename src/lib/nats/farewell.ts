import {setImmediate} from 'node:timers/promises'

import type {NatsConnection} from '@nats-io/transport-node'

const farewells = new WeakMap<NatsConnection, string>()

/** A server may let a user in again in the very second in which its token ends, and close once more. */
const settledMs = 1000

/**
 * Remembers what a server says when it closes a connection, until there is a new one that holds: the client keeps only
 * the last word, which is that of the server that then refuses to take it back.
 */
export function rememberFarewell(connection: NatsConnection): void {
  let settling: NodeJS.Timeout | undefined
  const follow = async (): Promise<void> => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') clearTimeout(settling)
      if (status.type === 'reconnect') settling = setTimeout(() => farewells.delete(connection), settledMs).unref()
      if (status.type !== 'error' || farewells.has(connection)) continue
      const why = explain(status.error)
      if (why !== undefined) farewells.set(connection, why)
    }
  }
  void follow()
}

/**
 * Why the connection was closed, as the end of a sentence, where the server said so. What it said last is on its way
 * through the client's queue when requests fail, so its turn is waited for.
 */
export async function farewellOf(connection: NatsConnection): Promise<string | undefined> {
  await setImmediate()
  return farewells.get(connection)
}

function explain({name, message}: Error): string | undefined {
  if (name === 'UserAuthenticationExpiredError') return "the user's token expired"
  if (/account authentication expired/i.test(message)) return "the account's token expired"
  if (/authentication revoked/i.test(message)) return 'the user was revoked'
  return name === 'AuthorizationError' ? 'the server no longer lets this user in' : undefined
}
