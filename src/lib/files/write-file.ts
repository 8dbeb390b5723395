import {randomBytes} from 'node:crypto'
import {mkdir, open, rename, rm} from 'node:fs/promises'
import {dirname} from 'node:path'

/** Writes a whole file at once: a reader sees the old text or the new one, also after a crash. Folders are made 0700. */
export async function writeFileAtomic(
  path: string,
  text: string | Uint8Array,
  {mode = 0o600}: {mode?: number} = {},
): Promise<void> {
  await mkdir(dirname(path), {recursive: true, mode: 0o700})
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await using file = await open(temporary, 'wx', mode)
    await file.writeFile(text)
    await file.sync()
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, {force: true})
    throw error
  }
}
