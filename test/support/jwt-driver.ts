import {isLive} from '../../src/lib/apply/driver.js'
import {openJwtDriver, type JwtAccess, type OpenedJwt} from '../../src/lib/apply/jwt-driver.js'
import {systemClock} from '../../src/lib/clock.js'
import {readOperatorKey} from '../../src/lib/nats/operator-key.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import type {Destination} from '../../src/lib/routing/plan.js'
import type {OperatorServer} from './nats-server.js'

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

/** Gives sources mappings as another tool would. */
export async function mapElsewhere(
  server: OperatorServer,
  mappings: Readonly<Record<string, string | readonly Destination[]>>,
): Promise<void> {
  await using opened = await openDriver(server.spec(), server.account.publicKey)
  const change = Object.entries(mappings).map(([source, to]) => ({
    source,
    destinations: typeof to === 'string' ? [{subject: to, weight: 100}] : to,
  }))
  const {outcomes} = await (await opened.driver.apply(change)).verify(2000)
  if (!outcomes.every(isLive)) throw new Error('The mappings are not live.')
}
