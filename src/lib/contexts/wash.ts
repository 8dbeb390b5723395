import {existsSync} from 'node:fs'
import {readdir, readFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {join, resolve} from 'node:path'

import {z} from 'zod'

import {NotFoundError} from '../errors.js'
import {configDir, expandHome} from '../files/paths.js'
import {parseSeed} from '../keys/nkey.js'
import type {ContextDraft, Drafts} from './draft.js'

/** What wash falls back to when nobody chose. */
const washDefault = 'host_config'
const [defaultHost, defaultPort, defaultTimeoutMs] = ['127.0.0.1', 4222, 2000]

const text = z
  .string()
  .nullish()
  .transform((value) => value || undefined)
const port = z
  .union([z.int(), z.string().regex(/^\d+$/).transform(Number)])
  .pipe(z.int().min(1).max(65_535))
  .default(defaultPort)
const host = text.transform((value) => value ?? defaultHost)
const timeout = z.int().min(0).default(defaultTimeoutMs)

/**
 * wash's context file, of all releases up to 1.x. The lattice was called `ctl_lattice_prefix`, `lattice_prefix` and at
 * last `lattice`; a JWT or seed is the value itself or the path of its file; the oldest files hold a port as text.
 */
const washContext = z.looseObject({
  cluster_seed: text,
  ctl_host: host,
  ctl_port: port,
  ctl_jwt: text,
  ctl_seed: text,
  ctl_credsfile: text,
  ctl_timeout: timeout,
  ctl_tls_ca_file: text,
  ctl_tls_first: z.boolean().nullish(),
  lattice: text,
  lattice_prefix: text,
  ctl_lattice_prefix: text,
  js_domain: text,
})
type WashContext = z.infer<typeof washContext>

/**
 * Reads wash's contexts from its folder: that of `WASH_CONTEXTS`, `WASH_CONTEXT_DIR` or `WASH_CONFIG_DIR`, else the
 * first that is there of `<config>/wash/contexts` (1.x) and `~/.wash/contexts`. A file that cannot be used becomes a
 * draft with its reason.
 */
export async function readWash(given: string | undefined): Promise<Drafts> {
  const folder = given === undefined ? findFolder() : resolve(expandHome(given))
  const files = await readdir(folder).catch((cause: unknown) => {
    throw new NoWashError(folder, cause)
  })
  // Older releases kept the name of the default in index.json.
  const names = files.filter((file) => file.endsWith('.json') && file !== 'index.json').sort()
  const drafts = await Promise.all(names.map((file) => readDraft(folder, file)))
  return {folder, drafts, preferred: await readDefault(folder)}
}

class NoWashError extends NotFoundError {
  constructor(folder: string, cause: unknown) {
    super(`There are no contexts of wash in '${folder}'.`, {
      suggestions: ['lattice context import --from wash --dir FOLDER'],
      details: {folder},
      cause,
    })
  }
}

function findFolder(): string {
  const {WASH_CONTEXTS: old, WASH_CONTEXT_DIR: contexts, WASH_CONFIG_DIR: config} = process.env
  const named = contexts || (config ? join(config, 'contexts') : old)
  if (named) return resolve(expandHome(named))
  const usual = [join(configDir(), 'wash', 'contexts'), join(homedir(), '.wash', 'contexts')]
  return usual.find((folder) => existsSync(folder)) ?? usual[1]!
}

/** The name in the file `default` of newer releases, else that in `index.json`. */
async function readDefault(folder: string): Promise<string> {
  const name = await readFile(join(folder, 'default'), 'utf8').catch(() => '')
  if (name.trim() !== '') return name.trim()
  try {
    return z.object({name: z.string().min(1)}).parse(JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')))
      .name
  } catch {
    return washDefault
  }
}

async function readDraft(folder: string, file: string): Promise<ContextDraft> {
  const from = file.slice(0, -'.json'.length)
  const draft = {from, name: from, nats: {}, lattice: {}, notes: []}
  let parsed: z.ZodSafeParseResult<WashContext>
  try {
    parsed = washContext.safeParse(JSON.parse(await readFile(join(folder, file), 'utf8')))
  } catch {
    return {...draft, problem: 'not a JSON file that can be read'}
  }
  if (!parsed.success) {
    // The path of the field and never its value, which may be a secret.
    const field = parsed.error.issues[0]?.path.join('.') ?? ''
    return {...draft, problem: field === '' ? 'not a JSON object' : `the field '${field}' does not fit`}
  }
  return {...draft, ...(await convert(from, parsed.data))}
}

async function convert(from: string, wash: WashContext): Promise<Omit<ContextDraft, 'from' | 'name'>> {
  const url = `${wash.ctl_host.includes('://') ? '' : 'nats://'}${bracketed(wash.ctl_host)}:${wash.ctl_port}`
  const credentials = await convertCredentials(wash)
  const cluster = convertClusterSeed(wash.cluster_seed)
  const nats = {
    url,
    ...credentials.fields,
    ...(wash.ctl_tls_ca_file === undefined ? {} : {ca: resolve(expandHome(wash.ctl_tls_ca_file))}),
    ...(wash.ctl_tls_first === true ? {tls_first: true} : {}),
    ...(wash.js_domain === undefined ? {} : {jetstream_domain: wash.js_domain}),
  }
  return {
    origin: `Imported from wash context '${from}'`,
    nats,
    lattice: {lattice: wash.lattice ?? wash.lattice_prefix ?? wash.ctl_lattice_prefix ?? 'default'},
    notes: [...cluster.notes, ...rpcNotes(wash), ...timeoutNotes(wash)],
    ...(cluster.seed === undefined ? {} : {clusterSeed: cluster.seed}),
    ...(credentials.problem === undefined ? {} : {problem: credentials.problem}),
  }
}

function bracketed(host: string): string {
  return /^[\da-f]*:[\da-f:.]*$/i.test(host) ? `[${host}]` : host
}

/** As wash picks: JWT and seed, else the creds file. Files are copied: no released `nats` follows references here. */
async function convertCredentials({ctl_jwt: jwt, ctl_seed: seed, ctl_credsfile: creds}: WashContext): Promise<{
  readonly fields: ContextDraft['nats']
  readonly problem?: string
}> {
  if (jwt === undefined) return {fields: creds === undefined ? {} : {creds: resolve(expandHome(creds))}}
  const user_jwt = await textOrFile(jwt)
  if (!isToken(user_jwt)) return {fields: {}, problem: "'ctl_jwt' is neither a token nor a file with one"}
  if (seed === undefined) return {fields: {user_jwt}}
  const user_seed = await textOrFile(seed)
  if (!isSeed(user_seed, 'U')) return {fields: {}, problem: "'ctl_seed' is neither a user's seed nor a file with one"}
  return {fields: {user_jwt, user_seed}}
}

async function textOrFile(value: string): Promise<string> {
  // A token is longer than any name, and no file has it.
  if (isToken(value)) return value
  return (await readFile(resolve(expandHome(value)), 'utf8').catch(() => value)).trim()
}

function isToken(text: string): boolean {
  return /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(text)
}

function convertClusterSeed(seed: string | undefined): {readonly seed?: string; readonly notes: readonly string[]} {
  if (seed === undefined) return {notes: []}
  return isSeed(seed, 'C') ? {seed, notes: []} : {notes: ["'cluster_seed' is not a cluster seed and was left out"]}
}

function isSeed(text: string, kind: 'C' | 'U'): boolean {
  try {
    parseSeed(text, kind)
    return true
  } catch {
    return false
  }
}

/** wash has a second connection for calls; lattice has one. */
function rpcNotes(wash: WashContext): string[] {
  const fields = ['host', 'port', 'jwt', 'seed', 'credsfile', 'tls_ca_file', 'lattice_prefix'] as const
  const differs = fields.filter((field) => {
    const rpc = wash[`rpc_${field}`]
    const set = (typeof rpc === 'string' && rpc !== '') || typeof rpc === 'number'
    return set && rpc.toString() !== String(wash[`ctl_${field}`])
  })
  const names = differs.map((field) => `rpc_${field}`).join(', ')
  return names === '' ? [] : [`one connection serves everything, so what differs was left out: ${names}`]
}

function timeoutNotes({ctl_timeout: ms}: WashContext): string[] {
  return ms === defaultTimeoutMs ? [] : [`a context holds no timeout: use --timeout ${ms}ms or LATTICE_TIMEOUT`]
}
