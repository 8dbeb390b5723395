import {ConnectionError, type LatticeError} from '../../src/lib/errors.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'

/** Why a connection could not be had, and how long that took to say. */
export interface FailedConnection {
  readonly error: LatticeError
  readonly message: string
  /** Of the details; one word. */
  readonly reason: unknown
  readonly tookMs: number
}

/** A spec with nothing but servers and what is given; two seconds for all. */
export function specFor(servers: string | readonly string[], more: Partial<ConnectSpec> = {}): ConnectSpec {
  return {
    servers: [servers].flat(),
    lattice: 'default',
    protected: false,
    timeoutMs: 2000,
    connectTimeoutMs: 2000,
    ...more,
  }
}

/** Connects in vain; rejects when there is a connection, or when what is thrown is no ConnectionError. */
export async function failureOf(spec: ConnectSpec): Promise<FailedConnection> {
  const started = performance.now()
  const error = await openConnection(spec).then(
    async (nc) => {
      await nc.close()
      throw new Error('There is a connection.')
    },
    (error: unknown) => error,
  )
  if (!(error instanceof ConnectionError)) throw error
  const {message, details} = error
  return {error, message, reason: details['reason'], tookMs: performance.now() - started}
}
