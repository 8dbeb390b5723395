import type {ConfigFacts} from '../conf/facts.js'
import {ServerError} from '../errors.js'
import type {Monitoring, ServerIdentity, SystemReply} from '../nats/system.js'
import {z} from 'zod'

const varzSchema = z.object({
  server_id: z.string(),
  server_name: z.string(),
  version: z.string(),
  cluster: z.object({name: z.string().optional()}).nullish(),
})

/** The servers' monitoring ports as their own configuration gives them, for who has no system credentials. */
export class FileMonitoring implements Monitoring {
  readonly timeoutMs: number
  readonly #addresses: readonly string[]

  private constructor(addresses: readonly string[], timeoutMs: number) {
    this.#addresses = addresses
    this.timeoutMs = timeoutMs
  }

  /** Undefined unless every file names a port. */
  static of(files: readonly ConfigFacts[], timeoutMs: number): FileMonitoring | undefined {
    const addresses = files.flatMap(({monitor}) => {
      if (monitor === undefined || monitor.port <= 0) return []
      const {host = '127.0.0.1', port, tls} = monitor
      const reached = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
      return [`${tls ? 'https' : 'http'}://${reached}:${port}`]
    })
    return addresses.length === files.length ? new FileMonitoring(addresses, timeoutMs) : undefined
  }

  async servers(): Promise<ServerIdentity[]> {
    return (await this.ask('VARZ')).map(({server}) => server)
  }

  /** ACCOUNTZ and VARZ of every server that answers. */
  async ask(endpoint: string, body?: unknown): Promise<SystemReply[]> {
    const account = (body as {account?: string} | undefined)?.account
    const query = account === undefined ? '' : `?acc=${encodeURIComponent(account)}`
    const replies = await Promise.all(
      this.#addresses.map(async (address): Promise<SystemReply[]> => {
        const varz = await this.#get(`${address}/varz`)
        if (varz === undefined) return []
        const {server_id: id, server_name: name, version, cluster} = varzSchema.parse(varz)
        const server = {id, name, version, ...(cluster?.name ? {cluster: cluster.name} : {})}
        if (endpoint === 'VARZ') return [{server, data: varz}]
        const data = await this.#get(`${address}/${endpoint.toLowerCase()}${query}`)
        return data === undefined ? [] : [{server, data}]
      }),
    )
    return replies.flat()
  }

  /** Undefined where nobody answers, as when the server is just starting. */
  async #get(url: string): Promise<unknown> {
    let reply: Response
    try {
      reply = await fetch(url, {signal: AbortSignal.timeout(Math.min(this.timeoutMs, 5000))})
    } catch {
      return undefined
    }
    const text = await reply.text()
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new ServerError(`The answer of '${url}' is not JSON.`, {details: {url}, cause})
    }
  }
}
