import {z} from 'zod'

import {UsageError} from '../errors.js'

/** Where a link wants its actor to be reached. */
export interface ListenAddress {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

const loopback = '127.0.0.1'
const settingsSchema = z.looseObject({
  address: z.string().optional(),
  port: z.union([z.string(), z.number().transform(String)]).optional(),
})

/**
 * The address in a link's values: `address` as `host:port`, `:port` or `[v6]:port`, or the older `port`; either of
 * them also inside `config_json` or `config_b64` (§10). Without a host it is loopback. Throws a UsageError.
 */
export function listenAddress(values: Readonly<Record<string, string>>): ListenAddress {
  const {address, port} = {...configured(values), ...settingsSchema.parse(values)}
  if (address !== undefined) return parseAddress(address)
  if (port !== undefined) return {host: loopback, port: parsePort(port, port)}
  throw new UsageError('The link has no address.', {suggestions: ['address=127.0.0.1:8080']})
}

/** An address as a client writes it. */
export function formatAddress({host, port}: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function configured({
  config_json,
  config_b64,
}: Readonly<Record<string, string | undefined>>): z.infer<typeof settingsSchema> {
  const text =
    config_json ?? (config_b64 === undefined ? undefined : Buffer.from(config_b64, 'base64').toString('utf8'))
  if (text === undefined) return {}
  try {
    return settingsSchema.parse(JSON.parse(text))
  } catch {
    throw new UsageError('The configuration in the link is not JSON with an address.')
  }
}

function parseAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s[\]/]*)):(\d+)$/i.exec(text.trim())
  if (match === null) {
    throw new UsageError(`${JSON.stringify(text)} is not an address.`, {suggestions: ['address=127.0.0.1:8080']})
  }
  return {host: match[1] ?? (match[2] || loopback), port: parsePort(match[3]!, text)}
}

function parsePort(digits: string, text: string): number {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : Infinity
  if (port <= 65_535) return port
  throw new UsageError(`${JSON.stringify(text)} holds no port: it is not a number up to 65535.`)
}
