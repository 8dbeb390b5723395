import {readResolvers} from '../../src/lib/apply/resolver-kind.js'
import {readStoredTokens} from '../../src/lib/apply/stored-token.js'
import {systemClock} from '../../src/lib/clock.js'
import type {SystemClient} from '../../src/lib/nats/system.js'

/** The account's token as each server that stores it gives it. */
export async function storedTokens(system: SystemClient, account: string): Promise<string[]> {
  return readStoredTokens({system, account, clock: systemClock, resolvers: await readResolvers(system)})
}
