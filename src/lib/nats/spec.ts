/** How to authenticate; one group, never mixed from several sources. */
export type Credentials =
  | {readonly kind: 'creds'; readonly file: string}
  | {readonly kind: 'nkey'; readonly file: string}
  | {readonly kind: 'user'; readonly user: string; readonly password: string}
  | {readonly kind: 'token'; readonly token: string}
  | {readonly kind: 'jwt'; readonly jwt: string; readonly seed?: string}

/** All that is needed to connect to one lattice, after flags, environment and contexts were weighed. */
export interface ConnectSpec {
  readonly servers: readonly string[]
  readonly credentials?: Credentials
  /** Paths of PEM files. */
  readonly tls?: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly handshakeFirst?: boolean
  }
  readonly jsDomain?: string
  readonly jsApiPrefix?: string
  readonly inboxPrefix?: string
  /** Name of the context it came from. */
  readonly context?: string
  readonly lattice: string
  /** File with the seed `SC…` that signs v0 invocations. */
  readonly clusterSeedFile?: string
  /** File with an operator key's seed `SO…`. */
  readonly operatorKeyFile?: string
  /** Context with the system account's user. */
  readonly sysContext?: string
  /** Creds file of a system-account user; used with `servers`. */
  readonly sysCreds?: string
  readonly protected: boolean
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
}
