/** What a running host tells whoever runs it; texts from guests and the wire are as they came. */
export type HostReport =
  /** Everything was restored and requests are answered. */
  | {
      readonly kind: 'ready'
      readonly host: string
      readonly name: string
      readonly lattice: string
      /** `host:port` of the NATS server. */
      readonly server: string
    }
  /** An event that was published; heartbeats are left out. */
  | {readonly kind: 'event'; readonly name: string; readonly data: Readonly<Record<string, unknown>>}
  /** A line of an actor. */
  | {readonly kind: 'log'; readonly actor: string; readonly version?: string; readonly line: string}
  | {readonly kind: 'warning'; readonly message: string}
  | {readonly kind: 'connection'; readonly state: 'lost' | 'restored'}
  | {readonly kind: 'draining'; readonly reason: string}
  | {readonly kind: 'stopped'; readonly host: string}

export type Report = (report: HostReport) => void
