import {existsSync} from 'node:fs'
import {dirname, join} from 'node:path'

import {shellWord} from '../entity/require.js'
import {ConflictError} from '../errors.js'
import {expandPath} from '../files/expand.js'
import {configDir} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'
import {contextExists, readNamedContext, writeContext, type Context} from '../nats/context-files.js'
import {ignoredFields, isReference, pathFields} from '../nats/context-fields.js'
import type {ContextDraft} from './draft.js'

/** What saving a draft does to the context of its name. */
export type SaveState = 'added' | 'replaced' | 'unchanged'

/** A draft beside the context that has its name, as they were a moment ago. */
export interface SavePlan {
  readonly draft: ContextDraft
  readonly state: SaveState
  /** The context to be replaced asks for its name first. */
  readonly protected: boolean
}

/** What a draft can say; others keep more in the same files. */
const connectionFields = new Set([
  ...['url', 'socks_proxy', 'token', 'user', 'password', 'creds', 'nkey', 'nsc', 'user_jwt', 'user_seed'],
  ...['cert', 'key', 'ca', 'tls_first', 'jetstream_domain', 'jetstream_api_prefix', 'inbox_prefix'],
  ...['lattice', 'dialect', 'sysContext', 'sysAccountKeyFile', 'operatorKeyFile', 'nscStore', 'clusterSeedFile'],
  'protected',
])
const seedFields = ['operatorKeyFile', 'clusterSeedFile', 'sysAccountKeyFile'] as const

/** Compares a draft with the context of its name, if there is one. */
export async function planSave(draft: ContextDraft): Promise<SavePlan> {
  if (!contextExists(draft.name)) return {draft, state: 'added', protected: false}
  const present = await readNamedContext(draft.name)
  return {
    draft,
    state: isSame(present, draft) ? 'unchanged' : 'replaced',
    protected: present.lattice.protected === true,
  }
}

/** Throws a ConflictError when saving would change contexts that are there. */
export function refuseReplacing(plans: readonly SavePlan[], suggestions: readonly string[]): void {
  const inTheWay = plans.flatMap(({draft, state}) => (state === 'replaced' ? [draft.name] : []))
  if (inTheWay.length > 0) throw new ContextExistsError(inTheWay, suggestions)
}

class ContextExistsError extends ConflictError {
  constructor(names: readonly string[], suggestions: readonly string[]) {
    const quoted = names.map((name) => `'${name}'`).join(', ')
    const sentence =
      names.length === 1 ? `The context ${quoted} exists and differs.` : `The contexts ${quoted} exist and differ.`
    super(sentence, {
      suggestions: [...names.slice(0, 3).map((name) => `lattice context show ${shellWord(name)}`), ...suggestions],
      details: {contexts: names},
    })
  }
}

/** Writes a draft; of a context that is there it keeps what does not decide a connection. */
export async function save({draft, state}: SavePlan): Promise<void> {
  if (state === 'unchanged') return
  const {name, nats, origin, clusterSeed} = draft
  if (clusterSeed !== undefined) await writeFileAtomic(clusterSeedFile(name), `${clusterSeed}\n`)
  const present = state === 'replaced' ? keptFields((await readNamedContext(name)).nats) : {}
  const fields = {...(origin === undefined ? {} : {description: origin}), ...present, ...nats}
  await writeContext(name, fields, latticeFields(draft), {replace: true})
}

/** True for a file that an import wrote a cluster seed into. */
export function isImportedSeed(file: string): boolean {
  return dirname(file) === seedsFolder()
}

function clusterSeedFile(name: string): string {
  return join(seedsFolder(), `${encodeURIComponent(name)}.nk`)
}

function seedsFolder(): string {
  return join(configDir(), 'lattice', 'keys', 'clusters')
}

/** Names of files that a draft needs and that are not there, a clause each. */
export async function missingFiles({nats, lattice}: ContextDraft): Promise<string[]> {
  const files = [...pathFields.map((field) => nats[field]), ...seedFields.map((field) => lattice[field])]
  const missing = await Promise.all(
    files.map(async (file) => {
      const bare = file === undefined || isReference(file) ? undefined : file
      return bare === undefined || existsSync(await expandPath(bare)) ? [] : [`there is no file '${bare}'`]
    }),
  )
  return missing.flat()
}

/** What only natscli's own commands use. */
function keptFields(nats: Context['nats']): Context['nats'] {
  const kept = Object.entries(nats).filter(([field, value]) => ignoredFields.has(field) && value)
  return Object.fromEntries(kept)
}

function latticeFields({name, lattice, clusterSeed}: ContextDraft): ContextDraft['lattice'] {
  return clusterSeed === undefined ? lattice : {...lattice, clusterSeedFile: clusterSeedFile(name)}
}

function isSame({nats, lattice}: Context, draft: ContextDraft): boolean {
  return fingerprint(nats) === fingerprint(draft.nats) && fingerprint(lattice) === fingerprint(latticeFields(draft))
}

/** What is set, in one order; natscli writes every field, most of them empty. */
function fingerprint(fields: Readonly<Record<string, unknown>>): string {
  const set = Object.entries(fields).filter(
    ([field, value]) => connectionFields.has(field) && value !== '' && value !== false && value != null,
  )
  return JSON.stringify(set.sort(([a], [b]) => (a < b ? -1 : 1)))
}
