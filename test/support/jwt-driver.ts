import {openJwtDriver, type JwtAccess, type OpenedJwt} from '../../src/lib/apply/jwt-driver.js'
import {systemClock} from '../../src/lib/clock.js'
import {readOperatorKey} from '../../src/lib/nats/operator-key.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {SystemClient} from '../../src/lib/nats/system.js'

/** The driver as a route command opens it; dispose it. */
export type TestDriver = OpenedJwt & {readonly system: SystemClient} & AsyncDisposable

export async function openDriver(
  spec: ConnectSpec,
  account: string,
  fields: Partial<JwtAccess> = {},
): Promise<TestDriver> {
  const system = await SystemClient.open(spec)
  try {
    const key = await readOperatorKey(spec)
    const base = {system, account, clock: systemClock, key, spec, ownSources: () => Promise.resolve([])}
    const opened = await openJwtDriver({...base, secondsAhead: 10_000, ...fields})
    return {...opened, system, [Symbol.asyncDispose]: () => system[Symbol.asyncDispose]()}
  } catch (error) {
    await system[Symbol.asyncDispose]()
    throw error
  }
}
