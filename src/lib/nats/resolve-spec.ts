import {ConnectionError, NotFoundError} from '../errors.js'
import {defaultServer, wantsTls} from './addresses.js'
import {readContext, readNamedContext, selectedContext, type Context} from './context-files.js'
import {flagSource, type ConnectFlags} from './flag-source.js'
import {contextSource, environmentSource, type Setting, type Settings, type Source} from './settings.js'
import type {ConnectSpec, TlsFiles} from './spec.js'

type Environment = Readonly<Record<string, string | undefined>>

/** A connection and where each part of it was said. */
export interface Resolved {
  readonly spec: ConnectSpec
  /** What decided each setting; a setting that nothing said is left out. */
  readonly settings: Source
  /** What a user of `nats` would not expect, as sentences. */
  readonly notes: readonly string[]
}

const defaults: Source = {
  servers: {value: [defaultServer], from: 'default'},
  lattice: {value: 'default', from: 'default'},
  timeoutMs: {value: 5000, from: 'default'},
  connectTimeoutMs: {value: 5000, from: 'default'},
}

/** The connection that flags, environment and contexts stand for. */
export async function resolveSpec(flags: ConnectFlags, environment: Environment): Promise<ConnectSpec> {
  return (await resolveConnection(flags, environment)).spec
}

/**
 * Weighs flags, `LATTICE_*`, the named context, `NATS_*` and the selected context, in this order. Credentials are one
 * group: those of a stronger source replace all of a weaker one, and `NATS_URL` with a credential variable leaves the
 * selected context out altogether.
 */
export async function resolveConnection(flags: ConnectFlags, environment: Environment): Promise<Resolved> {
  const [typed, ours, theirs] = [
    await flagSource(flags, environment),
    environmentSource('LATTICE', environment),
    environmentSource('NATS', environment),
  ]
  const named = flags.context ?? (environment['LATTICE_CONTEXT'] || undefined)
  const leaveOut = theirs.servers !== undefined && theirs.credentials !== undefined
  const context =
    named === undefined ? await selected(leaveOut) : await readContext(named, {trust: flags.trustContext === true})
  const said =
    context === undefined ? {} : contextSource(context, named === undefined ? 'the selected context' : 'context')
  const sources = named === undefined ? [typed, ours, theirs, said] : [typed, ours, said, theirs]
  const settings = await withNscServers(strongest([...sources, defaults]), context)
  if (context?.confinedTo !== undefined) refuseLeak(context, settings, said)
  return {
    spec: specOf(settings, context, said),
    settings,
    notes: context === undefined && leaveOut ? await leftOutNote() : [],
  }
}

/** The spec that a context alone stands for. */
export async function contextSpec(context: Context): Promise<ConnectSpec> {
  const said = contextSource(context)
  return specOf(await withNscServers(strongest([said, defaults]), context), context, said)
}

async function selected(leaveOut: boolean): Promise<Context | undefined> {
  const name = leaveOut ? undefined : await selectedContext()
  if (name === undefined) return undefined
  return readNamedContext(name).catch((error: unknown) => {
    throw error instanceof NotFoundError ? new SelectionError(name, error) : error
  })
}

/** Another tool, or a person, removed the context that is selected. */
class SelectionError extends NotFoundError {
  constructor(name: string, cause: NotFoundError) {
    super(`The selected context '${name}' is not there any more.`, {
      suggestions: ['lattice context use NAME', ...cause.suggestions],
      details: cause.details,
      cause,
    })
  }
}

async function leftOutNote(): Promise<string[]> {
  const name = await selectedContext()
  if (name === undefined) return []
  return [`The selected context '${name}' is left out, because NATS_URL and NATS credentials are set.`]
}

function strongest(sources: readonly Source[]): Source {
  const found: Record<string, Setting<unknown> | undefined> = {}
  for (const source of sources) {
    for (const [key, setting] of Object.entries(source)) found[key] ??= setting
  }
  return found
}

/** As natscli does: a context with `nsc` and no URL connects to the operator's service URLs. */
async function withNscServers(settings: Source, context: Context | undefined): Promise<Source> {
  const lookup = context?.nats.nsc
  if (!lookup || settings.servers?.from !== 'default' || context.confinedTo !== undefined) return settings
  const {findReferencedServers} = await import('../nsc/reference.js')
  const servers = await findReferencedServers(`nsc://${lookup.replace(/^nsc:\/\//i, '')}`)
  return servers.length === 0 ? settings : {...settings, servers: {value: servers, from: `nsc operator of '${lookup}'`}}
}

/** An untrusted context confines what it says itself; a file that the user names may lie anywhere. */
function confinement(settings: Source, context: Context | undefined, said: Source): string | undefined {
  const own = (['credentials', 'tlsCa', 'tlsPair'] as const).some(
    (key) => said[key] !== undefined && settings[key] === said[key],
  )
  return own ? context?.confinedTo : undefined
}

function specOf(settings: Source, context: Context | undefined, said: Source): ConnectSpec {
  const value = <K extends keyof Settings>(key: K): Settings[K] | undefined => settings[key]?.value
  const servers = value('servers')!
  const timeoutMs = value('timeoutMs')!
  return dropUndefined({
    servers,
    credentials: value('credentials'),
    tls: tlsOf(settings, servers),
    socksProxy: value('socksProxy'),
    jsDomain: value('jetstream')?.domain,
    jsApiPrefix: value('jetstream')?.apiPrefix,
    inboxPrefix: value('inboxPrefix'),
    context: context?.name,
    lattice: value('lattice')!,
    dialect: value('dialect'),
    ...value('system'),
    operatorKeyFile: value('operatorKeyFile'),
    nscStore: value('nscStore'),
    clusterSeedFile: value('clusterSeedFile'),
    protected: value('protected') ?? false,
    timeoutMs,
    connectTimeoutMs: Math.min(timeoutMs, value('connectTimeoutMs')!),
    confinedTo: confinement(settings, context, said),
  })
}

/** An address `tls://…` must not be answered in plain text, so it makes TLS options even where nothing else does. */
function tlsOf(settings: Source, servers: readonly string[]): TlsFiles | undefined {
  const {tlsCa, tlsPair, tlsFirst} = settings
  const handshakeFirst = tlsFirst?.value === true
  if (tlsCa === undefined && tlsPair === undefined && !handshakeFirst && !wantsTls(servers)) return undefined
  return dropUndefined({
    ca: tlsCa?.value,
    cert: tlsPair?.value.cert,
    key: tlsPair?.value.key,
    handshakeFirst: handshakeFirst || undefined,
  })
}

/** Who writes an untrusted context must not learn the credentials of whoever uses it, by naming the servers. */
function refuseLeak({name}: Context, settings: Source, said: Source): void {
  const leads = (['servers', 'socksProxy', 'tlsCa'] as const).find(
    (key) => said[key] !== undefined && settings[key] === said[key],
  )
  const leaked = (['credentials', 'system', 'nscStore', 'operatorKeyFile', 'clusterSeedFile'] as const).find(
    (key) => settings[key] !== undefined && settings[key] !== said[key],
  )
  if (leads === undefined || leaked === undefined) return
  const where = leads === 'servers' ? 'servers' : leads === 'socksProxy' ? 'proxy' : 'certificate authority'
  throw new ConnectionError(
    `The context file '${name}' is not trusted: it names the ${where}, and ${settings[leaked]!.from} would be used there.`,
    {suggestions: ['--trust-context', '--server URL'], details: {context: name}},
  )
}

/** Absent keys instead of undefined ones, as exact optional properties want them. */
function dropUndefined<T extends object>(fields: T): {[K in keyof T]: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
