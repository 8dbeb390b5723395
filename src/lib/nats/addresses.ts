import {ConnectionError, UsageError} from '../errors.js'
import type {Credentials} from './spec.js'
import {parseTarget} from './target.js'

/** Where a server listens when nothing else is said. */
export const defaultServer = 'nats://127.0.0.1:4222'

/** The addresses of a comma-separated list, without user info; the default one for an empty list. */
export function parseServers(text: string): string[] {
  const servers = text
    .split(',')
    .map((server) => withoutUserInfo(server.trim()))
    .filter((server) => server !== '')
  for (const server of servers) checkServer(server, text.includes('@'))
  return servers.length > 0 ? servers : [defaultServer]
}

/** True when one of the addresses asks for TLS by its scheme. */
export function wantsTls(servers: readonly string[]): boolean {
  return servers.some((server) => /^tls:/i.test(server))
}

/** User and password, or a token, that stand in the first address that has any; the NATS client itself ignores them. */
export function userInfo(addresses: string | undefined): Credentials | undefined {
  for (const server of addresses?.split(',') ?? []) {
    const written = /^\s*(?:\w+:\/\/)?(.*)@/.exec(server)?.[1]
    if (written === undefined || written === '') continue
    const colon = written.indexOf(':')
    const [user, password] = colon < 0 ? [written, ''] : [written.slice(0, colon), written.slice(colon + 1)]
    if (password === '') return {kind: 'token', token: decodePercent(user)}
    return {kind: 'user', user: decodePercent(user), password: decodePercent(password)}
  }
  return undefined
}

/** An address without the user and password in it. */
export function withoutUserInfo(server: string): string {
  return server.replace(/^(\w+:\/\/)?.*@/, '$1')
}

/** A comma-separated list of addresses as it may be shown; what is none of it may be half of a password with a comma. */
export function hideUserInfo(addresses: string): string {
  if (!addresses.includes('@')) return addresses
  const shown = (address: string): string =>
    parseTarget(withoutUserInfo(address.trim())) === undefined ? '***' : address
  return addresses
    .split(',')
    .map((address) => shown(address).replace(/^(\s*\w+:\/\/)?.*@/, '$1***@'))
    .join(',')
}

/** The address of a websocket, which is another transport. */
export class WebsocketError extends ConnectionError {
  constructor(address: string) {
    const shown = withoutUserInfo(address)
    super(`Cannot connect to '${shown}': it is the address of a websocket, and lattice speaks NATS over TCP and TLS.`, {
      suggestions: ['--server nats://HOST:4222'],
      details: {servers: [shown], reason: 'websocket'},
    })
  }
}

function checkServer(server: string, mayBeSecret: boolean): void {
  if (/^wss?:/i.test(server)) throw new WebsocketError(server)
  const scheme = /^(\w+):\/\//.exec(server)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'nats' && scheme !== 'tls') {
    throw new UsageError(`The address '${server}' has the scheme '${scheme}', which is not one of NATS.`, {
      suggestions: ['--server nats://HOST:4222', '--server tls://HOST:4222'],
    })
  }
  if (/[\s\p{C}]/u.test(server)) throw new UsageError(`${JSON.stringify(server)} is not a server address.`)
  if (parseTarget(server) === undefined && mayBeSecret) {
    throw new UsageError('An address among those with a password is none: write a comma in a password as %2C.')
  }
  const port = /:(\d+)$/.exec(server)?.[1]
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65_535)) {
    throw new UsageError(`The address '${server}' has a port that does not exist.`)
  }
}

/** Takes percent signs for what they stand for, and a bare one, as in a password, for itself. */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
