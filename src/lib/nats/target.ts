/** One server: where it is dialled, and the name that its certificate must have. */
export interface Target {
  /** As the user wrote it. */
  readonly address: string
  readonly host: string
  readonly port: number
  /** A relay's end on this machine, when a proxy stands in between. */
  readonly via?: {readonly host: string; readonly port: number}
}

const defaultPort = 4222

/** Takes an address apart: `nats://host:port`, `tls://host`, `[::1]:4222`; undefined when it is none. */
export function parseTarget(address: string): Target | undefined {
  const url = URL.parse(/^\w+:\/\//.test(address) ? address : `nats://${address}`)
  if (url === null || url.hostname === '') return undefined
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return {address, host, port: url.port === '' ? defaultPort : Number(url.port)}
}

/** Host and port to dial, as the NATS client takes them. */
export function dialAddress({host, port, via}: Target): string {
  const end = via ?? {host, port}
  return `${end.host.includes(':') ? `[${end.host}]` : end.host}:${end.port}`
}
