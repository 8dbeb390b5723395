import {ConnectionError} from '../errors.js'
import {looksSecret, pathScheme, readSecretFile, SecretAsPathError, type FileRules} from './secret-files.js'

/** How a value is to be read that may be a reference. */
export interface ReferenceRules extends FileRules {
  /** What a value without a scheme is: the path of a file, or the secret itself. */
  readonly bare: 'path' | 'literal'
  /** Longest wait for a helper program. */
  readonly timeoutMs: number
}

/** A secret, and the file by which it can be read again when it came from one. */
export interface Secret {
  readonly text: string
  readonly path?: string
}

/**
 * The secret that a value stands for: `env://NAME`, `file://PATH`, `data:…;base64,…`, `op://…` and `nsc://…` (by the
 * programs of those names), else as `bare` says. A literal ends without its line breaks. A value of an untrusted context
 * gets no variable, no program and no file outside its folder. Throws a ConnectionError that never holds the secret.
 */
export async function readReference(value: string, rules: ReferenceRules): Promise<string> {
  return (await readSecret(value, rules)).text
}

/** As readReference, with the file that the secret came from. */
export async function readSecret(value: string, rules: ReferenceRules): Promise<Secret> {
  const scheme = rules.bare === 'path' ? pathScheme(value) : literalScheme(value)
  if (scheme === undefined && rules.bare === 'literal') return {text: value}
  const secret = await resolveScheme(scheme ?? 'file', value, rules)
  const text = rules.bare === 'literal' ? secret.text.replace(/[\r\n]+$/, '') : secret.text
  if (text === '') throw new ConnectionError(`The ${rules.purpose} is empty.`)
  return {...secret, text}
}

function resolveScheme(scheme: string, value: string, rules: ReferenceRules): Promise<Secret> | Secret {
  if (scheme !== 'data' && looksSecret(value)) throw new SecretAsPathError(rules)
  switch (scheme) {
    case 'file':
      return readSecretFile(value, rules)
    case 'data':
      return {text: decodeData(value, rules)}
    case 'env':
      refuseConfined(value, rules, 'the environment is not asked')
      return {text: readVariable(value.slice('env://'.length), rules)}
    case 'op':
      refuseConfined(value, rules, 'no program is run')
      return readFromOp(`op://${value.slice('op://'.length)}`, rules)
    case 'nsc':
      refuseConfined(value, rules, 'no program is run')
      return readFromNsc(`nsc://${value.slice('nsc://'.length)}`, rules)
    default:
      throw new UnknownSchemeError(scheme, rules)
  }
}

/** A secret may look like anything, so that only what is surely meant as a reference is one. */
function literalScheme(value: string): string | undefined {
  return /^(?:(data):[^,]*,|(env|file|op|nsc):\/\/)/i.exec(value)?.slice(1).find(Boolean)?.toLowerCase()
}

function decodeData(value: string, {purpose}: ReferenceRules): string {
  const [head, body = ''] = value.slice('data:'.length).split(/,(.*)/s, 2) as [string, string?]
  const inBase64 = head.split(';').some((part) => part.trim().toLowerCase() === 'base64')
  const plain = body.replace(/=+$/, '')
  if (!inBase64 || !/^[A-Za-z0-9+/]*$/.test(plain) || plain.length % 4 === 1) {
    throw new ConnectionError(`The data reference of the ${purpose} is not one in base64.`, {
      suggestions: ['data:;base64,TEXT'],
    })
  }
  return Buffer.from(plain, 'base64').toString('utf8')
}

function readVariable(name: string, {purpose}: ReferenceRules): string {
  const value = process.env[name]
  if (value) return value
  throw new ConnectionError(
    !/^[A-Za-z_]\w*$/.test(name)
      ? `The reference of the ${purpose} names no variable.`
      : `The variable '${name}' that holds the ${purpose} is ${value === undefined ? 'not set' : 'empty'}.`,
    {suggestions: ['env://NAME']},
  )
}

async function readFromOp(reference: string, {timeoutMs}: ReferenceRules): Promise<Secret> {
  const {runProgram} = await import('./programs.js')
  return {text: await runProgram({program: 'op', args: ['read', reference], reference, timeoutMs})}
}

/** Where there is no `nsc`, its store may be there all the same, as in a container that mounts it. */
async function readFromNsc(reference: string, rules: ReferenceRules): Promise<Secret> {
  const {MissingProgramError} = await import('./programs.js')
  const file = await askNsc(reference, rules).catch(async (error: unknown) => {
    if (!(error instanceof MissingProgramError)) throw error
    const {findReferencedCreds} = await import('../nsc/reference.js')
    const found = await findReferencedCreds(reference)
    if (found === undefined) throw error
    return found
  })
  if (file === undefined) throw new NoUserInReferenceError(reference)
  return readSecretFile(file, {purpose: `creds file of '${reference}'`})
}

async function askNsc(reference: string, {timeoutMs}: ReferenceRules): Promise<string | undefined> {
  const {runProgram} = await import('./programs.js')
  const args = ['generate', 'profile', reference]
  const output = await runProgram({program: 'nsc', args, reference, timeoutMs})
  try {
    const {user_creds: file} = JSON.parse(output) as {user_creds?: unknown}
    return typeof file === 'string' && file !== '' ? file : undefined
  } catch {
    throw new ConnectionError(`The program 'nsc' gave no profile of '${reference}'.`, {
      suggestions: ['nsc --version'],
      details: {reference},
    })
  }
}

function refuseConfined(value: string, {purpose, confinedTo}: ReferenceRules, why: string): void {
  if (confinedTo === undefined) return
  const scheme = value.slice(0, value.indexOf(':')).toLowerCase()
  throw new ConnectionError(
    `The ${purpose} is a reference of scheme '${scheme}', and ${why} for a context file that is not trusted.`,
    {suggestions: ['--trust-context, when you know who wrote the context file'], details: {scheme}},
  )
}

/** A reference of a kind that nobody here can follow; what follows the scheme may hold a password. */
class UnknownSchemeError extends ConnectionError {
  constructor(scheme: string, {purpose}: ReferenceRules) {
    super(`The ${purpose} is a reference of scheme '${scheme}', which is not known.`, {
      suggestions: ['Known are a path, env://NAME, file://PATH, op://…, nsc://… and data:;base64,….'],
      details: {scheme},
    })
  }
}

/** An `nsc://` reference stops at the operator or the account. */
class NoUserInReferenceError extends ConnectionError {
  constructor(reference: string) {
    super(`The reference '${reference}' leads to no user with a creds file.`, {
      suggestions: ['nsc://OPERATOR/ACCOUNT/USER', 'nsc generate creds --help'],
      details: {reference},
    })
  }
}
