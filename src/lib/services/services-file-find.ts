import {access, readFile, stat} from 'node:fs/promises'
import {dirname, join, relative} from 'node:path'

import {NotFoundError, UsageError} from '../errors.js'
import {judgeServices} from './services-file-lint.js'
import {isServicesFile, readServicesFile, servicesFormat, type DeclaredService} from './services-file.js'

/** Name of the file in a repository's root. */
export const servicesFileName = 'services.yaml'

/** Where the services of a command may be declared. */
export interface ServicesPlace {
  /** The file that a flag or a variable names. */
  readonly named?: string | undefined
  /** Otherwise, the folder from which the repository's root is looked for. */
  readonly from: string
}

/** A file of services, as commands use it. */
export interface FoundServices {
  /** As a person may write it. */
  readonly file: string
  readonly services: readonly DeclaredService[]
  /** True when nobody named the file. */
  readonly found: boolean
}

/** A file of services that is there, as text. */
interface ServicesText {
  readonly file: string
  readonly text: string
  readonly found: boolean
}

const mostBytes = 1024 * 1024

/**
 * The services that are declared for a command; undefined where no file is named and the repository has none of ours.
 * Throws a UsageError with file and line for what cannot be meant.
 */
export async function findServices(place: ServicesPlace): Promise<FoundServices | undefined> {
  const found = await findServicesText(place)
  if (found === undefined) return undefined
  const read = await readServicesFile(found.file, found.text)
  const faults =
    read.kind === 'broken' ? read.faults : judgeServices(read.services).filter(({level}) => level === 'refuse')
  if (read.kind === 'broken' || faults.length > 0) throw new BrokenServicesError(found.file, faults)
  return {file: found.file, services: read.services, found: found.found}
}

/** The file that is named or found, unread; one of another program is none unless it was named. */
export async function findServicesText({named, from}: ServicesPlace): Promise<ServicesText | undefined> {
  if (named !== undefined) return {file: named, text: await readNamed(named), found: false}
  const root = await findRoot(from)
  if (root === undefined) return undefined
  const path = join(root, servicesFileName)
  const info = await stat(path).catch(() => undefined)
  if (info?.isFile() !== true || info.size > mostBytes) return undefined
  const text = await readFile(path, 'utf8')
  return isServicesFile(text) ? {file: relative(from, path) || servicesFileName, text, found: true} : undefined
}

/** No file of services was named, and the repository has none. */
export class NoServicesError extends NotFoundError {
  constructor() {
    super(`No file of services was named, and no '${servicesFileName}' of ours is in the root of this repository.`, {
      suggestions: [
        'lattice route lint --services FILE',
        `${servicesFileName} with the line: format: ${servicesFormat}`,
      ],
    })
  }
}

class BrokenServicesError extends UsageError {
  constructor(file: string, faults: readonly {readonly sentence: string; readonly where?: string}[]) {
    const [first, ...rest] = faults.map(({sentence, where}) => `${where ?? file}: ${sentence}`)
    super(first!, {
      suggestions: [...rest.slice(0, 9), `lattice route lint --services ${file}`],
      details: {file, faults: faults.map(({sentence, where}) => ({sentence, where}))},
    })
  }
}

async function readNamed(file: string): Promise<string> {
  const info = await stat(file).catch(() => undefined)
  if (info === undefined) {
    throw new NotFoundError(`No file of services '${file}'.`, {
      suggestions: ['--services FILE (or LATTICE_SERVICES)'],
      details: {file},
    })
  }
  if (!info.isFile()) throw new UsageError(`'${file}' is no file of services.`, {details: {file}})
  if (info.size > mostBytes) throw new UsageError(`The file '${file}' is too large for one of services.`)
  return readFile(file, 'utf8')
}

/** The nearest folder above that holds `.git`, which is a file in work trees. */
async function findRoot(from: string): Promise<string | undefined> {
  for (let folder = from; ; folder = dirname(folder)) {
    const isRoot = await access(join(folder, '.git')).then(
      () => true,
      () => false,
    )
    if (isRoot) return folder
    if (dirname(folder) === folder) return undefined
  }
}
