import {resolve} from 'node:path'

import {shellWord} from '../entity/require.js'
import {UsageError} from '../errors.js'
import {expandHome} from '../files/paths.js'
import {readInput} from '../files/read-input.js'
import {defaultServer} from '../nats/addresses.js'
import {isReference} from '../nats/context-fields.js'
import {selectContext, selectedContext, type LatticeContextFile, type NatsContextFile} from '../nats/context-files.js'
import {describe} from '../nats/describe-context.js'
import {flagSource, type ConnectFlags} from '../nats/flag-source.js'
import {resolveConnection} from '../nats/resolve-spec.js'
import {contextSource, type Settings, type Source} from '../nats/settings.js'
import type {Credentials} from '../nats/spec.js'
import type {ContextDraft} from './draft.js'
import {missingFiles, planSave, refuseReplacing, save, type SaveState} from './save.js'

export interface AddOptions {
  readonly flags: ConnectFlags
  /** Path of a file with a token, or `-` for stdin. */
  readonly tokenFile?: string | undefined
  readonly description?: string | undefined
  readonly protected: boolean
  /** Take environment and contexts into account, not the flags alone. */
  readonly effective: boolean
  /** Change the context that is there. */
  readonly replace: boolean
  readonly select: boolean
  readonly dryRun: boolean
  /** Called with the name of a protected context before it is replaced; rejects when the person does not agree. */
  readonly agree: (context: string) => Promise<void>
}

/** A context that was written, or would be; secrets appear as `set`. */
export interface AddedContext {
  readonly context: string
  readonly state: SaveState
  readonly url: string
  readonly lattice: string
  readonly fields: Readonly<Record<string, string>>
  readonly latticeFields: Readonly<Record<string, string>>
  /** The context that is selected now. */
  readonly selected?: string
  readonly changed: boolean
  /** What it needs and lacks, a clause each. */
  readonly notes: readonly string[]
  /** Takes it back. */
  readonly undo?: string
  readonly dryRun: boolean
}

/** Writes a context of what the flags say; a ConflictError when another one of the name is there. */
export async function addContext(name: string, options: AddOptions): Promise<AddedContext> {
  const {replace, select, dryRun, agree} = options
  const draft = draftOf(name, await settingsOf(options), options)
  // What could never connect is not worth a file.
  contextSource({name, nats: draft.nats, lattice: draft.lattice})
  const plan = await planSave(draft)
  if (!replace) refuseReplacing([plan], [`lattice context rm ${shellWord(name)}`, '--replace'])
  const before = await selectedContext()
  if (!dryRun) {
    if (plan.state === 'replaced' && plan.protected) await agree(name)
    await save(plan)
    if (select) await selectContext(name)
  }
  const selected = select ? name : before
  const {url, lattice, fields, latticeFields} = describe({name, nats: draft.nats, lattice: draft.lattice}, selected)
  return {
    context: name,
    state: plan.state,
    url,
    lattice,
    fields,
    latticeFields,
    ...(selected === undefined ? {} : {selected}),
    changed: plan.state !== 'unchanged' || selected !== before,
    notes: [...draft.notes, ...(await missingFiles(draft))],
    ...(plan.state === 'added' ? {undo: `lattice context rm ${shellWord(name)}`} : {}),
    dryRun,
  }
}

async function settingsOf({flags, tokenFile, effective}: AddOptions): Promise<Source> {
  if (flags.context !== undefined && !effective) throw new UsageError('--context wants --effective.')
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile)
  const typed = [flags.creds, flags.nkey, flags.user].some((credential) => credential !== undefined)
  if (token !== undefined && typed) throw new UsageError('--token-file excludes --creds, --nkey and --user.')
  const settings = effective ? await effectiveSettings(flags) : await flagSource(flags, process.env)
  return token === undefined ? settings : {...settings, credentials: {value: token, from: '--token-file'}}
}

async function readToken(file: string): Promise<Credentials> {
  const token = (await readInput(file, 'token')).trim()
  if (token === '') throw new UsageError(`The token file '${file}' is empty.`)
  return {kind: 'token', token}
}

async function effectiveSettings(flags: ConnectFlags): Promise<Source> {
  const {spec, settings} = await resolveConnection(flags, process.env)
  if (spec.confinedTo === undefined) return settings
  throw new UsageError(`The context file '${spec.context ?? ''}' is not trusted, and a context by name is.`, {
    suggestions: ['--trust-context'],
  })
}

function draftOf(name: string, settings: Source, {description, protected: isProtected}: AddOptions): ContextDraft {
  const value = <K extends keyof Settings>(key: K): Settings[K] | undefined => settings[key]?.value
  const {sysCreds, sysContext, sysAccountKeyFile} = value('system') ?? {}
  const nats: NatsContextFile = compact({
    description,
    url: (value('servers') ?? [defaultServer]).join(','),
    ...credentialFields(value('credentials')),
    ca: absolute(value('tlsCa')),
    cert: absolute(value('tlsPair')?.cert),
    key: absolute(value('tlsPair')?.key),
    tls_first: value('tlsFirst') === true ? true : undefined,
    socks_proxy: value('socksProxy'),
    jetstream_domain: value('jetstream')?.domain,
    jetstream_api_prefix: value('jetstream')?.apiPrefix,
    inbox_prefix: value('inboxPrefix'),
  })
  const lattice: LatticeContextFile = compact({
    lattice: value('lattice'),
    dialect: value('dialect'),
    sysContext,
    sysAccountKeyFile: absolute(sysAccountKeyFile),
    operatorKeyFile: absolute(value('operatorKeyFile')),
    nscStore: absoluteStore(value('nscStore')),
    clusterSeedFile: absolute(value('clusterSeedFile')),
    protected: isProtected || value('protected') === true ? true : undefined,
  })
  const notes =
    sysCreds === undefined
      ? []
      : ['a context holds no creds of a system user: add a context of them and name it by --sys-context']
  return {from: name, name, nats, lattice, notes}
}

/** A user is never written without a password: natscli takes that for a token. */
function credentialFields(credentials: Credentials | undefined): NatsContextFile {
  switch (credentials?.kind) {
    case undefined:
      return {}
    case 'creds':
      return {creds: absolute(credentials.file)}
    case 'nkey':
      return {nkey: absolute(credentials.file)}
    case 'user':
      return {user: credentials.user, password: credentials.password}
    case 'token':
      return {token: credentials.token}
    case 'jwt':
      return {
        user_jwt: credentials.jwt,
        ...(credentials.seed === undefined ? {} : {user_seed: credentials.seed}),
      }
  }
}

/** A context is used from every folder. */
function absolute(path: string): string
function absolute(path: string | undefined): string | undefined
function absolute(path: string | undefined): string | undefined {
  // natscli expands variables when it connects.
  return path === undefined || isReference(path) || path.startsWith('$') ? path : resolve(expandHome(path))
}

/** An operator's name stays one. */
function absoluteStore(store: string | undefined): string | undefined {
  return store !== undefined && /[/\\]|^[~.]/.test(store) ? absolute(store) : store
}

function compact<T extends object>(fields: T): {[K in keyof T]: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
