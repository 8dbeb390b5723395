import {dirname, join} from 'node:path'

import {ConfigTextError} from './config-error.js'
import {parseConfigText} from './parse.js'
import {placeAt, sourceOf, type Source, type WrittenEntry, type WrittenMap, type WrittenValue} from './tree.js'

/** A file with the files that it includes. */
export interface LoadedFile {
  readonly source: Source
  readonly root: WrittenMap
  readonly includes: ReadonlyMap<WrittenEntry, LoadedFile>
}

/** Gives the text of a file, or the reason why there is none. */
export type ReadText = (file: string) => Promise<string>

const mostFiles = 500

/**
 * Reads a file and, relative to each, all that it includes. Throws a ConfigTextError at an include that cannot be read
 * or that leads back to its own file, and whatever `readText` throws for the first file.
 */
export async function loadConfig(file: string, readText: ReadText): Promise<LoadedFile> {
  const loading = {readText, left: mostFiles}
  return loadFile(sourceOf(file, await readText(file)), [file], loading)
}

interface Loading {
  readonly readText: ReadText
  left: number
}

async function loadFile(source: Source, chain: readonly string[], loading: Loading): Promise<LoadedFile> {
  const root = parseConfigText(source)
  const includes = new Map<WrittenEntry, LoadedFile>()
  for (const entry of includesOf(root)) {
    // Servers join also an absolute path to the folder of the including file.
    const file = join(dirname(source.file), entry.path)
    const place = placeAt(source, entry.start)
    if (chain.includes(file)) throw new ConfigTextError(`the include of '${entry.path}' leads back to itself`, place)
    if (loading.left-- === 0) throw new ConfigTextError(`more than ${mostFiles} files are included`, place)
    const text = await loading.readText(file).catch((cause: unknown) => {
      const reason =
        (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT' ? 'does not exist' : 'cannot be read'
      throw new ConfigTextError(`the included file '${entry.path}' ${reason}`, place)
    })
    includes.set(entry, await loadFile(sourceOf(file, text), [...chain, file], loading))
  }
  return {source, root, includes}
}

function includesOf(value: WrittenValue): Extract<WrittenEntry, {kind: 'include'}>[] {
  if (value.kind === 'array') return value.items.flatMap(includesOf)
  if (value.kind !== 'map') return []
  return value.entries.flatMap((entry) => (entry.kind === 'include' ? [entry] : includesOf(entry.value)))
}
