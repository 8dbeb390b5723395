/**
 * How to authenticate; one group, never mixed from several sources. Each value may be a reference (`env://NAME`,
 * `file://PATH`, `op://…`, `nsc://…`, `data:…`), which is resolved when a connection is opened and not before. A bare
 * `file` is a path, any other bare value is the secret itself.
 */
export type Credentials =
  | {readonly kind: 'creds'; readonly file: string}
  | {readonly kind: 'nkey'; readonly file: string}
  | {readonly kind: 'user'; readonly user: string; readonly password: string}
  | {readonly kind: 'token'; readonly token: string}
  | {readonly kind: 'jwt'; readonly jwt: string; readonly seed?: string}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** TLS before the server's first line, as a server with `handshake_first` wants it. */
  readonly handshakeFirst?: boolean
}

/** Where the system account's user comes from; the first that is set is used. */
export interface SystemAccess {
  /** Creds file of a system-account user; used with `servers`. */
  readonly sysCreds?: string
  /** Context with the system account's user. */
  readonly sysContext?: string
  /** File with the seed `SA…` of the system account or of one of its signing keys: a user is made with it. */
  readonly sysAccountKeyFile?: string
}

/** All that is needed to connect to one lattice, after flags, environment and contexts were weighed. */
export interface ConnectSpec extends SystemAccess {
  readonly servers: readonly string[]
  readonly credentials?: Credentials
  readonly tls?: TlsFiles
  /** `socks5://[user:password@]host:port`, through which every server is reached. */
  readonly socksProxy?: string
  readonly jsDomain?: string
  readonly jsApiPrefix?: string
  readonly inboxPrefix?: string
  /** Name of the context it came from, or the path of its file. */
  readonly context?: string
  readonly lattice: string
  /** The only dialect to speak; found out when undefined. */
  readonly dialect?: 'v0' | 'v1'
  /** File with the seed `SC…` that signs v0 invocations. */
  readonly clusterSeedFile?: string
  /** File with an operator key's seed `SO…`. */
  readonly operatorKeyFile?: string
  /** An nsc operator, as the folder of its store or as its name: gives operator key and system user where no file does. */
  readonly nscStore?: string
  readonly protected: boolean
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  /**
   * Folder of a context file that was given by path and is not trusted: no file outside it is read, no variable and no
   * program is asked for it.
   */
  readonly confinedTo?: string
}
