import {UnsafeError, UsageError} from '../errors.js'
import {isPublicKey} from '../keys/nkey.js'
import {covers, isSubject, protectedPrefix, subjectsOverlap} from '../routing/subject.js'

/** What a leaf node is told at its start. */
export interface LeafSettings {
  readonly name: string
  /** What it may split. */
  readonly sources: readonly string[]
  /** For all callers of the account, and not only for those that connect to it. */
  readonly accountWide: boolean
  readonly listen: ListenAddress
  /** Where the servers take leaf nodes; default: port 7422 of each server of the context. */
  readonly remotes: readonly string[]
  /** Public user keys whose changes it takes, beside its own. */
  readonly acceptKeys: readonly string[]
  readonly leafKeyFile?: string | undefined
  /** A file with the `users` that may call through it. */
  readonly usersFile?: string | undefined
  /** Refusals that the user has agreed to. */
  readonly allow: readonly string[]
  /** Never fetches a nats-server. */
  readonly offline: boolean
}

/** Where callers connect; port 0: the system chooses. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** `HOST:PORT`, `[::1]:PORT` or a port alone; throws a UsageError. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([\da-fA-F:.]+)\]|([^:[\]/\s]+)):(-?\d+)$/.exec(
    /^-?\d+$/.test(text) ? `127.0.0.1:${text}` : text,
  )
  const port = Number(match?.[3])
  if (match === null || port < -1 || port > 65_535) {
    throw new UsageError(`${JSON.stringify(text)} is not an address to listen on.`, {
      suggestions: ['--listen 127.0.0.1:4222', '--listen 127.0.0.1:-1   (the system chooses the port)'],
    })
  }
  return {host: match[1] ?? match[2]!, port: Math.max(0, port)}
}

/** `HOST:PORT` as URLs and servers write it. */
export function formatListen({host, port}: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** True for addresses that only programs of the same machine reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host)
}

/** Throws for settings that contradict each other or are not safe; nothing was touched then. */
export function checkSettings({sources, accountWide, listen, usersFile, acceptKeys}: LeafSettings): void {
  if (!accountWide && sources.length === 0) {
    throw new UsageError('A leaf node beside its callers has to know what it may split.', {
      suggestions: ['--source orders.get', "--source 'orders.>'"],
    })
  }
  for (const source of sources) {
    if (!isSubject(source)) throw new UsageError(`${JSON.stringify(source)} is not a subject.`)
    const prefix = protectedPrefix(source)
    if (prefix !== undefined) throw new ProtectedSourceError(source, prefix)
  }
  for (const [index, source] of sources.entries()) {
    const other = sources.slice(index + 1).find((one) => subjectsOverlap(one, source))
    if (other !== undefined) throw new OverlappingSourcesError(source, other)
  }
  const bad = acceptKeys.find((key) => !isPublicKey(key, 'U'))
  if (bad !== undefined) {
    throw new UsageError(`${JSON.stringify(bad.slice(0, 80))} is no public key of a user.`, {
      suggestions: ['--accept-key U…   (the public key, not the seed)'],
    })
  }
  if (!isLoopback(listen.host) && usersFile === undefined) throw new OpenToAllError(listen)
}

/** True when the leaf node was told that it may split this; one for the whole account may be told nothing. */
export function maySplit(
  {form, sources}: {readonly form: 'beside' | 'account-wide'; readonly sources: readonly string[]},
  source: string,
): boolean {
  if (form === 'account-wide' && sources.length === 0) return true
  return sources.some((pattern) => covers(pattern, source))
}

/** A call that both take in would leave twice. */
class OverlappingSourcesError extends UsageError {
  constructor(one: string, other: string) {
    super(`The sources '${one}' and '${other}' overlap.`, {
      suggestions: ['One --source for each subject, or one wildcard that takes in both.'],
      details: {sources: [one, other]},
    })
  }
}

/** A mapping of it would catch what NATS itself needs. */
class ProtectedSourceError extends UnsafeError {
  constructor(source: string, prefix: string) {
    super(`The source '${source}' takes in '${prefix}', which NATS itself needs.`, {
      suggestions: ["--source 'orders.>'"],
      details: {source, prefix, rule: 'protected-subject'},
    })
  }
}

/** Whoever reaches the port acts as the user of the leaf node. */
class OpenToAllError extends UnsafeError {
  constructor(listen: ListenAddress) {
    super(`Whoever reaches ${formatListen(listen)} could call in this user's name.`, {
      suggestions: [
        "--users-file FILE with a line such as: users: [{user: app, password: '…'}]",
        `--listen 127.0.0.1:${listen.port}`,
      ],
      details: {rule: 'open-port', host: listen.host},
    })
  }
}
