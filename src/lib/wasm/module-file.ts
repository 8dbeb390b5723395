import {constants} from 'node:fs'
import {open, type FileHandle} from 'node:fs/promises'

import {NotFoundError, UnsafeError, UsageError} from '../errors.js'
import {createKey, type KeyKind, type SigningKey} from '../keys/nkey.js'
import {ensureKeyFile, moduleKeyFile, readKeyFile, userIssuerFile} from '../keys/store.js'
import {configDir} from '../files/paths.js'
import {writeFileAtomic} from '../files/write-file.js'
import {ModuleError} from './module-error.js'
import {checkClaims, examineModule, signModule, type ModuleExamination} from './module.js'
import {parseSections} from './wasm.js'

const largestModule = 256 * 2 ** 20

/** What to claim about a module, and where it and the keys lie. */
export interface SignRequest {
  readonly input: string
  /** Default: beside the input, with `_signed` before the extension. */
  readonly output?: string | undefined
  readonly name: string
  readonly version: string
  readonly revision?: number | undefined
  readonly callAlias?: string | undefined
  readonly caps: readonly string[]
  readonly tags: readonly string[]
  readonly expiresInDays?: number | undefined
  /** Default: one for each name in the user's configuration. Made on first use. */
  readonly moduleKeyFile?: string | undefined
  /** Default: the user's own. Made on first use. */
  readonly issuerKeyFile?: string | undefined
  /** Replaces an output that holds something else. */
  readonly overwrite: boolean
  readonly dryRun: boolean
}

export interface SignResult {
  readonly file: string
  /** Public keys; absent in a dry run whose key is not made yet. */
  readonly key?: string
  readonly issuer?: string
  readonly name: string
  readonly version: string
  readonly revision?: number
  readonly callAlias?: string
  readonly caps: readonly string[]
  readonly tags: readonly string[]
  readonly expires?: string
  /** SHA-256 of the code, uppercase hex. */
  readonly hash: string
  readonly moduleKeyFile: string
  readonly issuerKeyFile: string
  /** Key files that did not exist. */
  readonly madeKeys: readonly string[]
  readonly bytes: number
  readonly changed: boolean
  readonly dryRun?: true
}

/** What a module file says of itself and how far that holds. */
export interface ModuleReport {
  readonly file: string
  readonly key: string
  readonly issuer: string
  readonly name: string
  readonly version?: string
  readonly revision?: number
  readonly callAlias?: string
  readonly caps: readonly string[]
  readonly tags: readonly string[]
  readonly issuedAt?: string
  readonly notBefore?: string
  readonly expires?: string
  /** SHA-256 of the code as it is, uppercase hex. */
  readonly hash: string
  readonly bytes: number
  readonly signatureHolds: boolean
  readonly hashHolds: boolean
  readonly timeHolds: boolean
  /** True when a host that trusts the issuer would run it. */
  readonly valid: boolean
}

/** The bytes of a module file; throws a NotFoundError or a UsageError that shows no content. */
export async function readModuleFile(path: string): Promise<Uint8Array> {
  try {
    // Opening a pipe without this would wait for a writer.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const {size} = await fileStat(file, path)
    if (size > largestModule) throw new UsageError(`The file "${path}" has more than ${largestModule / 2 ** 20} MiB.`)
    return await file.readFile()
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    if (code === 'ENOENT') throw new NotFoundError(`There is no file "${path}".`, {cause: error})
    throw new UsageError(`The file "${path}" cannot be read.`, {cause: error, details: {code}})
  }
}

/**
 * Signs a module file into another, with keys that are made on first use. The same request again changes nothing.
 * Throws an UnsafeError when the output holds something else and `overwrite` is off.
 */
export async function signModuleFile(request: SignRequest, nowMs: number): Promise<SignResult> {
  const {name, version, revision, callAlias, caps, tags, dryRun} = request
  const code = await readModuleFile(request.input)
  const file = request.output ?? defaultOutput(request.input)
  // Before any key is made.
  checkClaims(request)
  named(request.input, () => parseSections(code))
  const [module, issuer] = await Promise.all([
    findKey(request.moduleKeyFile ?? moduleKeyFile(configDir(), name), 'M', dryRun),
    findKey(request.issuerKeyFile ?? userIssuerFile(configDir()), 'A', dryRun),
  ])
  const issuedAt = Math.floor(nowMs / 1000)
  const expires =
    request.expiresInDays === undefined ? undefined : issuedAt + Math.round(request.expiresInDays * 86_400)
  const claimed = {name, version, revision, callAlias, caps, tags, issuedAt, expires}
  const signed = named(request.input, () =>
    signModule(code, {...claimed, key: module.key.publicKey, issuer: issuer.key}),
  )
  const examined = examineModule(signed, nowMs)
  const changed = await differs(file, examined, nowMs)
  if (changed === 'other' && !request.overwrite) throw occupied(file)
  if (changed !== 'same' && !dryRun) await writeFileAtomic(file, signed, {mode: 0o644})
  return {
    file,
    ...(module.exists ? {key: module.key.publicKey} : {}),
    ...(issuer.exists ? {issuer: issuer.key.publicKey} : {}),
    name,
    version,
    ...(revision === undefined ? {} : {revision}),
    ...(callAlias === undefined ? {} : {callAlias}),
    caps,
    tags,
    ...(expires === undefined ? {} : {expires: isoTime(expires)}),
    hash: examined.hash,
    moduleKeyFile: module.file,
    issuerKeyFile: issuer.file,
    madeKeys: [module, issuer].flatMap(({made, file: keyFile}) => (made ? [keyFile] : [])),
    bytes: signed.length,
    changed: changed !== 'same',
    ...(dryRun ? {dryRun} : {}),
  }
}

/** Looks at a module file; `failure` is there when a host would refuse it. Throws a ModuleError when it has no claims at all. */
export async function inspectModuleFile(
  path: string,
  nowMs: number,
): Promise<{readonly report: ModuleReport; readonly failure?: ModuleError}> {
  const wasm = await readModuleFile(path)
  const {claims, problems, ...checks} = named(path, () => examineModule(wasm, nowMs))
  const {token: _, issuedAt, notBefore, expires, ...who} = claims
  const report: ModuleReport = {
    file: path,
    ...who,
    ...(issuedAt === undefined ? {} : {issuedAt: isoTime(issuedAt)}),
    ...(notBefore === undefined ? {} : {notBefore: isoTime(notBefore)}),
    ...(expires === undefined ? {} : {expires: isoTime(expires)}),
    ...checks,
    bytes: wasm.length,
    valid: problems.length === 0,
  }
  const [problem] = problems
  return problem === undefined ? {report} : {report, failure: problem.about(path, {module: report})}
}

interface FoundKey {
  readonly key: SigningKey
  readonly file: string
  readonly made: boolean
  /** False in a dry run whose key is still to be made. */
  readonly exists: boolean
}

async function findKey(file: string, kind: KeyKind, dryRun: boolean): Promise<FoundKey> {
  if (!dryRun) return {...(await ensureKeyFile(file, kind)), exists: true}
  const key = await readKeyFile(file, kind)
  return {key: key ?? createKey(kind), file, made: key === undefined, exists: key !== undefined}
}

/** Whether the output is missing, holds what would be written, or holds something else. */
async function differs(file: string, wanted: ModuleExamination, nowMs: number): Promise<'missing' | 'same' | 'other'> {
  try {
    const found = examineModule(await readModuleFile(file), nowMs)
    return found.problems.length === 0 && identity(found) === identity(wanted) ? 'same' : 'other'
  } catch (error) {
    return error instanceof NotFoundError ? 'missing' : 'other'
  }
}

/** All that a signature says, but when it was made. */
function identity({claims: {token: _, issuedAt: __, ...claims}, hash}: ModuleExamination): string {
  return JSON.stringify({...claims, hash})
}

function occupied(file: string): UnsafeError {
  return new UnsafeError(`The file "${file}" is there and holds something else.`, {
    suggestions: ['--allow overwrite', '--out OTHER.wasm'],
    details: {rule: 'overwrite', file},
  })
}

function defaultOutput(input: string): string {
  return input.endsWith('.wasm') ? `${input.slice(0, -'.wasm'.length)}_signed.wasm` : `${input}_signed.wasm`
}

/** Tells of which file a refusal is. */
function named<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof ModuleError ? error.about(path) : error
  }
}

async function fileStat(file: FileHandle, path: string): Promise<{readonly size: number}> {
  const stat = await file.stat()
  if (!stat.isFile()) throw new UsageError(`"${path}" is not a file.`)
  return stat
}

/** Claims may hold any number; one that is no time is shown as it is. */
function isoTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString()
}
