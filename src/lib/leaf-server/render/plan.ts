import {UsageError} from '../../errors.js'
import type {ConnectSpec} from '../../nats/spec.js'
import type {LeafConfig, LeafRemote} from '../config.js'
import {defaultRemotes, parseRemotes} from '../remote.js'
import {checkSettings, formatListen, type LeafSettings} from '../settings.js'

/** What is written for a leaf node that others start: no secret is in it, only where they are. */
export interface RenderPlan {
  readonly spec: ConnectSpec
  readonly settings: LeafSettings
  readonly remotes: readonly string[]
}

/** A file that the leaf node needs and that holds a secret, or leads to one. */
export interface NeededFile {
  /** Its name where it is given to the leaf node. */
  readonly name: string
  /** Where it is on this machine; undefined: it is a reference or a value, which somebody has to write to a file. */
  readonly path: string | undefined
}

/** Checks the settings as `leaf run` does; throws a UsageError where no server is known. */
export function planRender(spec: ConnectSpec, settings: LeafSettings): RenderPlan {
  checkSettings(settings)
  const remotes = settings.remotes.length === 0 ? defaultRemotes(spec) : parseRemotes(settings.remotes)
  if (remotes.length === 0)
    throw new UsageError('Where the servers take leaf nodes is not known.', {suggestions: ['--remote URL']})
  return {spec, settings, remotes}
}

/** The file that the credentials are, by their kind; undefined without credentials. */
export function credentialsFile({credentials}: ConnectSpec): NeededFile | undefined {
  switch (credentials?.kind) {
    case undefined:
      return undefined
    case 'creds':
      return {name: 'user.creds', path: plainPath(credentials.file)}
    case 'jwt':
      return {name: 'user.creds', path: undefined}
    case 'nkey':
      return {name: 'user.nk', path: plainPath(credentials.file)}
    case 'user':
      return {name: 'password', path: undefined}
    case 'token':
      return {name: 'context.json', path: undefined}
  }
}

/** A path that is the same for whoever starts it; not what a reference leads to. */
export function plainPath(value: string): string | undefined {
  const path = value.replace(/^file:\/\//i, '')
  return path.startsWith('/') ? path : undefined
}

/** Where a configuration finds what it must not hold. */
export interface ConfigPlaces {
  readonly creds: string
  readonly tls: (name: 'ca' | 'cert' | 'key', given: string) => string
  readonly usersInclude: string | undefined
  readonly mappingsInclude?: string
}

/** The configuration of a nats-server that runs without our agent, with variables in place of passwords and seeds. */
export function plainConfig({spec, settings, remotes}: RenderPlan, places: ConfigPlaces): Omit<LeafConfig, 'logFile'> {
  const {name, accountWide, sources, listen} = settings
  const kind = spec.credentials?.kind
  const remote: LeafRemote = {
    urls: takesUrls(spec) ? urlVariables(remotes) : remotes,
    ...(kind === 'creds' || kind === 'jwt' ? {credentials: places.creds} : {}),
    ...(kind === 'nkey' ? {nkeySeed: '$LATTICE_LEAF_NKEY'} : {}),
    ...tlsOf(spec, places),
    denyImports: accountWide ? [] : sources,
  }
  return {
    name: `lattice-leaf-${name}`,
    listen: formatListen(listen),
    remote,
    usersInclude: places.usersInclude,
    mappingsInclude: places.mappingsInclude,
  }
}

/** The variables that nats-server takes secrets from. */
export function secretVariables({spec, remotes}: RenderPlan): string[] {
  if (spec.credentials?.kind === 'nkey') return ['LATTICE_LEAF_NKEY']
  return takesUrls(spec) ? urlVariables(remotes).map((name) => name.slice(1)) : []
}

/** How the variables that hold URLs with user and password are written. */
export function urlLines({spec}: RenderPlan): string[] {
  return takesUrls(spec) ? ['# Each URL with its user, such as "nats-leaf://USER:PASSWORD@HOST:7422", in quotes.'] : []
}

function takesUrls({credentials}: ConnectSpec): boolean {
  return credentials?.kind === 'user' || credentials?.kind === 'token'
}

function urlVariables(remotes: readonly string[]): string[] {
  return remotes.map((_, index) => `$LATTICE_LEAF_URL${remotes.length === 1 ? '' : `_${index + 1}`}`)
}

function tlsOf({tls}: ConnectSpec, places: ConfigPlaces): Pick<LeafRemote, 'tls'> {
  if (tls === undefined) return {}
  const files = (['ca', 'cert', 'key'] as const).flatMap((name) => {
    const file = tls[name]
    return file === undefined ? [] : [[name, places.tls(name, file)] as const]
  })
  if (files.length === 0 && tls.handshakeFirst === undefined) return {}
  return {
    tls: {
      ...Object.fromEntries(files),
      ...(tls.handshakeFirst === undefined ? {} : {handshakeFirst: tls.handshakeFirst}),
    },
  }
}
