import {LatticeError, UsageError} from '../errors.js'
import {readInput} from '../files/read-input.js'
import {parseLossless, type JsonObject} from '../keys/token.js'
import {lintReport, type LintForm, type LintReport, type LintTarget} from '../routing/lint-report.js'
import {applyNsc, parseNsc} from '../routing/parse-nsc.js'
import {parsePlans} from '../routing/parse-plans.js'
import type {MappingPlan} from '../routing/plan.js'
import {lintMappings} from '../routing/rules.js'
import {isServicesFile} from '../services/services-file.js'
import {lintConfig} from './config.js'
import {lintServices} from './services.js'
import {lintClaims, lintToken, type TokenOptions} from './token.js'

/** What a file may hold, as a user says it where it cannot be told. */
export const fileForms = ['config', 'jwt', 'nsc', 'plan', 'services'] as const
export type FileForm = (typeof fileForms)[number]

export interface LintFileOptions extends TokenOptions {
  /** Default: told from the text. */
  readonly form?: undefined
  readonly fileForm?: FileForm | undefined
}

/**
 * The findings in a file, or in stdin for `-`: a server configuration, an account token or its claims, lines for nsc, or
 * a list of mappings. Throws a UsageError for what is none of these.
 */
async function lintFile(file: string, {fileForm, ...options}: LintFileOptions): Promise<LintTarget[]> {
  return lintText(file, await readInput(file, 'mappings'), {fileForm, ...options})
}

/** The findings in all of these files. */
export async function lintFiles(files: readonly string[], options: LintFileOptions): Promise<LintReport> {
  const targets = await Promise.all(files.map((file) => lintFile(file, options)))
  return lintReport(targets.flat(), options.serverVersion)
}

/** The same for a text that was read from the file. */
export async function lintText(file: string, text: string, options: LintFileOptions): Promise<LintTarget[]> {
  try {
    return await judgeText(file, text, options)
  } catch (error) {
    // What cannot be read is quoted, and may be a file of credentials.
    if (!(error instanceof LatticeError) || !/S[A-Z][A-Z2-7]{50,}/.test(text)) throw error
    throw new UsageError(`The file '${file}' holds a secret key and cannot be read as mappings.`, {details: {file}})
  }
}

async function judgeText(file: string, text: string, options: LintFileOptions): Promise<LintTarget[]> {
  const {fileForm, now, ...rules} = options
  const form = fileForm ?? formOf(text)
  switch (form) {
    case 'jwt': {
      const token = tokenIn(text)
      if (token !== undefined) return [lintToken(file, token, {...rules, now})]
      const nats = claimsIn(text)
      if (nats === undefined) throw new UsageError(`The file '${file}' holds neither a token nor the claims of one.`)
      return [{input: file, form: 'claims', ...lintClaims(text, nats, rules)}]
    }
    case 'nsc': {
      const {account, steps} = named(file, () => parseNsc(text))
      const target = lintPlans(
        file,
        'nsc',
        named(file, () => applyNsc([], steps)),
        options,
      )
      return [account === undefined ? target : {...target, account}]
    }
    case 'plan':
      return [lintPlans(file, 'plan', await parsePlans(text).catch((error: unknown) => rethrow(file, error)), options)]
    case 'services':
      return [await lintServices(file, text)]
    case 'config':
      return lintConfig(file, text, rules)
  }
}

function lintPlans(
  input: string,
  form: LintForm,
  plans: readonly MappingPlan[],
  {now: _, fileForm: __, ...rules}: LintFileOptions,
): LintTarget {
  return {input, form, mappings: plans.length, findings: lintMappings(plans, {...rules, form: 'jwt'})}
}

function formOf(text: string): FileForm {
  if (isServicesFile(text)) return 'services'
  if (tokenIn(text) !== undefined || claimsIn(text) !== undefined) return 'jwt'
  if (/^(?:\s*#[^\n]*\n)*\s*nsc\s+(?:add|delete|push)\s/.test(text)) return 'nsc'
  if (/^\s*\{\s*"format"\s*:\s*"lattice-route-plan\//.test(text)) return 'plan'
  // A list of mappings begins with one, in JSON as in YAML; in a configuration they are a map.
  if (/^(?:\s*#[^\n]*\n)*\s*(?:\{\s*"mappings"\s*:\s*\[|mappings:\s*(?:\n\s*-|\[))/.test(text)) return 'plan'
  return 'config'
}

/** A token by itself, or between the lines that nsc puts around it. */
function tokenIn(text: string): string | undefined {
  const bare = text.replace(/^\s*-{3,}BEGIN[^\n]*-{3,}\s*$/m, '').replace(/^\s*-{3,}END[^]*$/m, '')
  return /^\s*(eyJ[\w-]*\.[\w-]+\.[\w-]+)\s*$/.exec(bare)?.[1]
}

function claimsIn(text: string): JsonObject | undefined {
  if (!/^\s*\{/.test(text) || !text.includes('"nats"')) return undefined
  try {
    const nats = (parseLossless(text) as JsonObject)['nats']
    return typeof nats === 'object' && nats !== null && !Array.isArray(nats) ? (nats as JsonObject) : undefined
  } catch {
    return undefined
  }
}

function named<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    return rethrow(file, error)
  }
}

function rethrow(file: string, error: unknown): never {
  if (!(error instanceof LatticeError)) throw error
  throw new UsageError(`${file}: ${error.message}`, {details: {file}, cause: error})
}
