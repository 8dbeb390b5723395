import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

/** A new temp folder that is removed with everything in it. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string
}

/** Makes a temp folder: `await using folder = await tempFolder()`. */
export async function tempFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), 'lattice-test-'))
  return {path, [Symbol.asyncDispose]: () => rm(path, {recursive: true, force: true, maxRetries: 5})}
}
