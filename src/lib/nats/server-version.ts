import {ConnectionError} from '../errors.js'
import type {ConnectSpec} from './spec.js'

/** The first release on which everything works that is used here. */
export const oldestServer = '2.10.0'

/** True for the version of a server that is older than what is needed; a version that cannot be read is not. */
export function isTooOld(version: string, needed = oldestServer): boolean {
  const [has, needs] = [numbersOf(version), numbersOf(needed)]
  const differs = needs.findIndex((number, index) => has[index] !== number)
  return has.length === 3 && differs >= 0 && has[differs]! < needs[differs]!
}

function numbersOf(version: string): number[] {
  return /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? []
}

/** A server lacks what is built upon. */
export class ServerTooOldError extends ConnectionError {
  constructor(version: string, {server, context}: {server: string} & Pick<ConnectSpec, 'context'>) {
    super(`The server '${server}' runs nats-server ${version}, and lattice needs ${oldestServer} or newer.`, {
      suggestions: ['lattice context ls', 'lattice up'],
      details: {
        reason: 'server-too-old',
        server,
        version,
        needed: oldestServer,
        ...(context === undefined ? {} : {context}),
      },
    })
  }
}
