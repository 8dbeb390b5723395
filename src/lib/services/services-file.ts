import {z} from 'zod'

import {isVersion, parseVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {parseYaml} from '../records/yaml.js'
import {repeatedKeys} from '../routing/json-keys.js'
import {readPlaces, type Places} from './services-file-places.js'
import {quote} from './plain.js'
import {readTemplate, type Template} from './template.js'

/** What the first line of such a file says. */
export const servicesFormat = 'lattice-services/1'

/** A service that a file declares: it need not know that it is one. */
export interface DeclaredService {
  readonly name: string
  readonly lattice: string
  readonly description?: string
  /** Undefined: whatever group listens. */
  readonly queue?: string
  /** The version that listens on the sources themselves. */
  readonly incumbent?: Version
  readonly sources: readonly DeclaredSource[]
  /** Where it is declared, as `file:line`. */
  readonly where: string
}

/** One subject that callers use, and where the versions listen behind it. */
export interface DeclaredSource {
  readonly source: string
  readonly template: Template
  readonly where: string
}

/** A file that is in order as far as its form goes, or what is wrong with its form. */
export type ReadServices =
  | {readonly kind: 'services'; readonly services: readonly DeclaredService[]}
  | {readonly kind: 'broken'; readonly faults: readonly FileFault[]}

/** One thing that is wrong with the form of a file. */
export interface FileFault {
  readonly sentence: string
  readonly where: string
}

const mostText = 100_000
/** Each of them costs the parser a search through all of them. */
const mostMarks = 500
const mostServices = 1000
const mostSources = 100

const word = (what: string): string => `${what} is a text; write it in quotes`

const serviceSchema = z.strictObject({
  name: z
    .string({error: word('a name')})
    .regex(/^[A-Za-z0-9_-]{1,128}$/, 'a name is made of letters, digits, - and _, at most 128 of them')
    .describe('How commands name the service.'),
  sources: z
    .record(z.string(), z.string({error: word('a template')}).max(255, 'a template has at most 255 characters'), {
      error: 'sources are written as SUBJECT: TEMPLATE, such as orders.get: orders.{v}.get',
    })
    .refine((sources) => Object.keys(sources).length > 0, 'a service has at least one source')
    .refine((sources) => Object.keys(sources).length <= mostSources, `a service has at most ${mostSources} sources`)
    .describe(
      'Subject that callers use, to where the versions listen: {v} is the version in base64url without padding, {v:dash} the version with - for each character outside A-Z, a-z and 0-9, and $1 what the first * of the subject stands for.',
    ),
  queue: z
    .string({error: word('a queue group')})
    .regex(/^[!-~]{1,128}$/, 'a queue group has no white space, and at most 128 characters')
    .optional()
    .describe('Queue group in which all its instances listen; default: any.'),
  incumbent: z
    .string({error: word('a version')})
    .refine(isVersion, 'a version is a printable text without white space, at most 128 characters')
    .optional()
    .describe('The version that listens on the sources themselves, as it did before there were versions.'),
  lattice: z
    .string({error: word('a lattice')})
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'a lattice is named by letters, digits, - and _, at most 64 of them')
    .optional()
    .describe("Lattice that it belongs to; default: 'default'."),
  description: z
    .string({error: word('a description')})
    .max(1000, 'a description has at most 1000 characters')
    .optional()
    .describe('For people.'),
})

/** The form of a file of services; published as schemas/services.schema.json. */
export const servicesSchema = z.strictObject({
  format: z.literal(servicesFormat, {error: `the format is ${servicesFormat}`}),
  services: z
    .array(serviceSchema, {error: 'services is a list'})
    .min(1, 'it declares no service')
    .max(mostServices, `a file has at most ${mostServices} services`),
})

/** True for a text that says of itself that it is ours, in order or not. */
export function isServicesFile(text: string): boolean {
  return /(?:^|[{,])[ \t]*["']?format["']?[ \t]*:[ \t]*["']?lattice-services?\b/m.test(text.slice(0, mostText))
}

/** Reads a file of services, YAML or JSON. Throws a UsageError where it is neither, or none of ours. */
export async function readServicesFile(file: string, text: string): Promise<ReadServices> {
  if (!isServicesFile(text)) throw new NoServicesFileError(file)
  if (text.length > mostText) throw new UsageError(`${file}: a file of services has at most ${mostText} characters.`)
  if (/(?:[[{]\s*){100}/.test(text)) throw new UsageError(`${file}: the file is nested too deep.`)
  if ((text.match(/(?:^|[\s,:[{])[&*!]/g)?.length ?? 0) > mostMarks) {
    throw new UsageError(`${file}: the file has more than ${mostMarks} anchors, aliases and tags.`)
  }
  const value = await parseYaml(text).catch((error: unknown) => unreadable(file, error))
  const places = await readPlaces(text)
  const twice = jsonTwice(text)
  if (twice !== undefined) {
    return broken([{sentence: `${quote(twice.join('.'))} stands there twice.`, where: file}])
  }
  const parsed = servicesSchema.safeParse(value)
  if (!parsed.success) return broken(parsed.error.issues.flatMap((issue) => faultsOf(file, issue, places)))
  const at = (...path: (string | number)[]): string => `${file}:${places.lineOf(path)}`
  return {
    kind: 'services',
    services: parsed.data.services.map(({sources, lattice = 'default', incumbent, ...service}, index) => ({
      name: service.name,
      lattice,
      ...(service.description === undefined ? {} : {description: service.description}),
      ...(service.queue === undefined ? {} : {queue: service.queue}),
      ...(incumbent === undefined ? {} : {incumbent: parseVersion(incumbent)}),
      sources: Object.entries(sources).map(([source, template]) => ({
        source,
        template: readTemplate(template),
        where: at('services', index, 'sources', source),
      })),
      where: at('services', index),
    })),
  }
}

/** The file was named and is another program's, or says nothing of what it is. */
class NoServicesFileError extends UsageError {
  constructor(file: string) {
    super(`The file '${file}' is no file of services: it does not say 'format: ${servicesFormat}'.`, {
      suggestions: howToWrite,
      details: {file},
    })
  }
}

/** A file of services as short as it can be. */
export const howToWrite = [
  `format: ${servicesFormat}`,
  'services:',
  '  - name: orders',
  '    sources:',
  '      orders.get: orders.{v}.get',
]

function broken(faults: readonly FileFault[]): ReadServices {
  return {kind: 'broken', faults}
}

function unreadable(file: string, error: unknown): never {
  if (!(error instanceof UsageError)) throw error
  const {line, reason} = error.details
  const where = typeof line === 'number' ? `${file}:${line}` : file
  throw new UsageError(`${where}: the file is neither JSON nor YAML: ${String(reason)}.`, {
    details: {...error.details, file},
    cause: error,
  })
}

function faultsOf(file: string, issue: z.core.$ZodIssue, places: Places): FileFault[] {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)))
  const last = path.findLast((part) => typeof part === 'string')
  const name = last === undefined ? undefined : quote(last)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      sentence: `${quote(key)} is not known here.`,
      where: `${file}:${places.lineOf([...path, key])}`,
    }))
  }
  const missing = places.valueAt(path) === undefined
  const sentence = missing
    ? `${name ?? 'It'} is missing: ${issue.message}.`
    : `${name === undefined ? '' : `${name}: `}${issue.message}.`
  return [{sentence, where: `${file}:${places.lineOf(path)}`}]
}

/** In JSON the last of two keys would win without a word; what is YAML was refused for it. */
function jsonTwice(text: string): readonly string[] | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  return repeatedKeys(text)[0]
}
