import {once} from 'node:events'
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {Server as NetServer} from 'node:net'

import {ServerError} from '../errors.js'
import {formatAddress, type ListenAddress} from '../records/http-address.js'
import {sendReason} from './http-message.js'
import {settleWithin} from './serving.js'

export interface ListenerOptions {
  /** Largest request body in bytes. */
  readonly maxBody: () => number
  /** Answers one request; must not reject. */
  readonly handle: (request: IncomingMessage, body: Uint8Array, response: ServerResponse) => Promise<void>
}

const graceMs = 5000
/** On a connection that was silent for so long after the port was freed, no request is on its way. */
const quietMs = 250

/** One HTTP port with keep-alive. It gathers request bodies and refuses those that are too large. */
export class HttpListener {
  readonly #server: Server
  readonly #options: ListenerOptions
  readonly #running = new Set<Promise<void>>()
  readonly #open = new Set<ServerResponse>()
  #closing: Promise<void> | undefined

  private constructor(options: ListenerOptions) {
    this.#options = options
    this.#server = createServer({keepAliveTimeout: 60_000})
    this.#server.on('request', (request, response) => this.#accept(request, response))
    this.#server.on('checkContinue', (request, response) => {
      if (announcedLength(request) > options.maxBody()) return refuseTooLarge(request, response, options.maxBody())
      response.writeContinue()
      this.#accept(request, response)
    })
  }

  /** Listens when it resolves; throws a ServerError when the address cannot be had. */
  static async open({host, port}: ListenAddress, options: ListenerOptions): Promise<HttpListener> {
    const listener = new HttpListener(options)
    listener.#server.listen(port, host)
    try {
      await once(listener.#server, 'listening')
      // What fails later, such as too many open files, concerns one connection and not the host.
      listener.#server.on('error', () => undefined)
      return listener
    } catch (cause) {
      throw new ServerError(`Cannot listen on ${formatAddress({host, port})}: ${reasonOf(cause)}.`, {
        details: {host, port},
        cause,
      })
    }
  }

  /** `host:port` that answers, with the port that was chosen. */
  get address(): string {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') return ''
    return formatAddress({host: bound.address, port: bound.port})
  }

  /** Frees the port at once; resolves when the requests that came in are answered. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // The port only: http's own close would also cut the connections on which a request may be on its way.
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(this.#server, () => resolve()))
    // Clients with an open connection must learn that the next request needs another one.
    for (const response of this.#open) if (!response.headersSent) response.setHeader('Connection', 'close')
    const late = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    await settleWithin(closed, quietMs)
    while (this.#running.size > 0) await Promise.all(this.#running)
    this.#server.close()
    await closed
    clearTimeout(late)
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    if (this.#closing !== undefined) response.setHeader('Connection', 'close')
    this.#open.add(response)
    const running = this.#answer(request, response).finally(() => {
      this.#open.delete(response)
      this.#running.delete(running)
    })
    this.#running.add(running)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const limit = this.#options.maxBody()
    const body = await readBody(request, limit)
    if (body === 'gone') return
    if (body === 'too-large') {
      refuseTooLarge(request, response, limit)
      return
    }
    await this.#options.handle(request, body, response)
  }
}

/** Says why and lets the client read it before the connection ends. */
export function refuseTooLarge(request: IncomingMessage, response: ServerResponse, limit: number): void {
  response.setHeader('Connection', 'close')
  sendReason(response, 413, `The body is too large: at most ${limit} bytes fit into one message.`)
  if (request.complete) return
  request.resume()
  setTimeout(() => request.socket.destroy(), 1000).unref()
}

const noBody = new Uint8Array()

async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array | 'too-large' | 'gone'> {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined)
    return noBody
  if (announcedLength(request) > limit) return 'too-large'
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) resolve('too-large')
      else chunks.push(chunk)
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('close', () => resolve('gone'))
    request.on('error', () => resolve('gone'))
  })
}

function announcedLength({headers}: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0)
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'the port may not be used',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name does not resolve',
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return reasons[code] ?? (code || 'it failed')
}
