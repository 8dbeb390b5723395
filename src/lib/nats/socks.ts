import {once} from 'node:events'
import {createServer, type AddressInfo, type Server, type Socket} from 'node:net'

import {SocksClient, type SocksClientOptions} from 'socks'

import {ConnectionError} from '../errors.js'
import {decodePercent} from './addresses.js'
import {reason, type ConnectReason} from './connect-reason.js'
import {codesOf} from './error-codes.js'
import type {Target} from './target.js'

/** Ends on this machine that lead to servers through a SOCKS proxy; they are gone when it is disposed. */
export class SocksRelay implements Disposable {
  readonly #proxy: Proxy
  readonly #timeoutMs: number
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #failures = new Map<string, ConnectReason>()

  /** Throws a ConnectionError when the address is none of a SOCKS proxy. */
  constructor(proxy: string, timeoutMs: number) {
    this.#proxy = parseProxy(proxy)
    this.#timeoutMs = timeoutMs
  }

  /** The server as it is reached from here. Its name is resolved by the proxy, and stays the one that TLS checks. */
  async reach(target: Target): Promise<Target> {
    const server = createServer((socket) => void this.#forward(socket, target))
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // Only the connection itself keeps the process alive.
    server.unref()
    return {...target, via: {host: '127.0.0.1', port: (server.address() as AddressInfo).port}}
  }

  /** Why the latest attempt to reach a server did not get through the proxy. */
  failure({address}: Target): ConnectReason | undefined {
    return this.#failures.get(address)
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #forward(near: Socket, target: Target): Promise<void> {
    this.#hold(near)
    try {
      const {socket: far} = await SocksClient.createConnection(this.#request(target))
      this.#failures.delete(target.address)
      this.#hold(far)
      far.on('close', () => near.destroy())
      near.on('close', () => far.destroy())
      if (near.destroyed) far.destroy()
      else near.pipe(far).pipe(near)
    } catch (error) {
      // The error of the library holds the proxy's password.
      this.#failures.set(target.address, proxyReason(this.#proxy, codesOf(error)))
      near.destroy()
    }
  }

  #request({host, port}: Target): SocksClientOptions {
    const {host: proxyHost, port: proxyPort, user, password} = this.#proxy
    return {
      command: 'connect',
      destination: {host, port},
      timeout: this.#timeoutMs,
      set_tcp_nodelay: true,
      proxy: {
        host: proxyHost,
        port: proxyPort,
        type: 5,
        ...(user === '' ? {} : {userId: user, password}),
      },
    }
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

interface Proxy {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

const defaultPort = 1080

function parseProxy(address: string): Proxy {
  const url = URL.parse(address.includes('://') ? address : `socks5://${address}`)
  if (url === null || url.hostname === '' || !/^socks5h?:$/.test(url.protocol)) {
    throw new ConnectionError('The address of the SOCKS proxy is not one.', {
      suggestions: ['socks5://HOST:1080', 'socks5://USER:PASSWORD@HOST:1080'],
    })
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? defaultPort : Number(url.port),
    user: decodePercent(url.username),
    password: decodePercent(url.password),
  }
}

function proxyReason({host, port, user}: Proxy, text: string): ConnectReason {
  const proxy = `the SOCKS proxy '${host}:${port}'`
  const suggestion = '--socks-proxy socks5://HOST:1080'
  const failed = (what: string): ConnectReason => reason('proxy', `${proxy} ${what}`, suggestion)
  if (/ENOTFOUND|EAI_/.test(text)) return failed('has a name that does not resolve')
  if (text.includes('ECONNREFUSED')) return failed('does not listen')
  if (/Authentication failed/i.test(text)) return failed(`refused the password of '${user}'`)
  if (/no accepted authentication|authentication type/i.test(text)) {
    return failed(user === '' ? 'wants a user and a password' : 'takes no user and password')
  }
  const rejected = /rejected connection - (\w+)/i.exec(text)?.[1]
  if (rejected !== undefined) return failed(`did not reach the server: ${rejections[rejected] ?? rejected}`)
  if (/time.?out/i.test(text)) return failed('does not answer')
  return failed('does not speak SOCKS 5')
}

/** As the library names the codes of the protocol. */
const rejections: Readonly<Record<string, string>> = {
  Failure: 'it failed',
  NotAllowed: 'its rules do not allow it',
  NetworkUnreachable: 'no way leads to its network',
  HostUnreachable: 'no way leads there, or its name does not resolve',
  ConnectionRefused: 'nobody listens there',
  TTLExpired: 'it is too far',
}
