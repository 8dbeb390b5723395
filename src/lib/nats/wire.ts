import {connect as connectTcp, isIP, type Socket} from 'node:net'
import {checkServerIdentity, connect as connectTls} from 'node:tls'

import type {Target} from './target.js'
import type {TlsMaterial} from './tls.js'

/** The certificate that a server showed. */
export interface ShownCertificate {
  readonly issuer: string
  readonly names: readonly string[]
  readonly validFrom: Date
  readonly validTo: Date
}

const longestLine = 1 << 20

/** One socket that is read line by line; every wait ends when its time is over, and nothing is thrown. */
export class Wire {
  readonly #target: Target
  readonly #deadline: number
  #socket: Socket | undefined
  #text = ''
  #ready = false
  #wake: () => void = () => undefined
  /** The first failure of the socket. */
  error: Error | undefined
  /** True when the other side has closed. */
  ended = false
  encrypted = false
  certificate: ShownCertificate | undefined

  constructor(target: Target, timeoutMs: number) {
    this.#target = target
    this.#deadline = performance.now() + timeoutMs
  }

  /** True when there is a connection. */
  dial(): Promise<boolean> {
    const {host, port, via} = this.#target
    const socket = connectTcp(via ?? {host, port})
    return this.#use(socket, 'connect')
  }

  /** True when there is TLS, and with the server that is meant. */
  async encrypt(material: TlsMaterial = {}): Promise<boolean> {
    const {host} = this.#target
    const plain = this.#socket!
    for (const event of ['data', 'error', 'close', 'end']) plain.removeAllListeners(event)
    plain.on('error', () => undefined)
    try {
      const socket = connectTls({
        ...material,
        socket: plain,
        ...(isIP(host) === 0 ? {servername: host} : {}),
        checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
        // The certificate is only shown to whoever takes it first; nothing is sent to a server that is not trusted.
        rejectUnauthorized: false,
      })
      if (!(await this.#use(socket, 'secureConnect'))) return false
      this.encrypted = true
      if (socket.authorized) return true
      const {subjectaltname = '', issuer, valid_from, valid_to} = socket.getPeerCertificate()
      this.certificate = {
        issuer: [issuer.CN].flat()[0] ?? [issuer.O].flat()[0] ?? '',
        names: subjectaltname.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, '')),
        validFrom: new Date(valid_from),
        validTo: new Date(valid_to),
      }
      this.error = withCode(socket.authorizationError)
    } catch (error) {
      this.error = error as Error
    }
    return false
  }

  write(text: string): void {
    this.#socket?.write(text)
  }

  /** The next line; empty when none comes any more. */
  async readLine(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\n')
      if (end >= 0 || this.#text.length > longestLine || this.ended) {
        const line = end < 0 ? this.#text : this.#text.slice(0, end)
        this.#text = end < 0 ? '' : this.#text.slice(end + 1)
        return line.trimEnd()
      }
      if (!(await this.#event())) {
        const rest = this.#text
        this.#text = ''
        return rest
      }
    }
  }

  close(): void {
    this.#socket?.destroy()
  }

  #use(socket: Socket, ready: 'connect' | 'secureConnect'): Promise<boolean> {
    this.#socket = socket
    this.#ready = false
    const wake = (): void => this.#wake()
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1')
      wake()
    })
    socket.once(ready, () => {
      this.#ready = true
      wake()
    })
    socket.on('error', (error) => {
      this.error ??= error
      this.ended = true
      wake()
    })
    const onEnd = (): void => {
      this.ended = true
      wake()
    }
    socket.on('end', onEnd).on('close', onEnd)
    return this.#until(() => this.#ready)
  }

  async #until(condition: () => boolean): Promise<boolean> {
    while (!condition()) if (this.ended || !(await this.#event())) return condition()
    return true
  }

  /** Waits for anything to happen; false when the time is over. */
  #event(): Promise<boolean> {
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(false), this.#deadline - performance.now())
      this.#wake = () => {
        clearTimeout(late)
        resolve(true)
      }
    })
  }
}

function withCode(reason: Error | string): Error {
  return reason instanceof Error ? reason : Object.assign(new Error(reason), {code: reason})
}
