import {randomBytes} from 'node:crypto'
import {chmod, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'

/** A file that a person writes in: in a folder of its own that nobody else may open, as are the copies of editors. */
export class Draft {
  readonly path: string
  #given: string
  #givenAgain = false

  private constructor(path: string, given: string) {
    this.path = path
    this.#given = given
  }

  /** Makes the file, mode 0600, in a new folder of the system's temporary one. */
  static async open(name: string, text: string): Promise<Draft> {
    const folder = await mkdtemp(join(tmpdir(), 'lattice-edit-'))
    const path = join(folder, name)
    await writeFile(path, text, {mode: 0o600, flag: 'wx'})
    return new Draft(path, text)
  }

  /** What it held when the person got it. */
  get given(): string {
    return this.#given
  }

  /** What it holds now; empty when it was deleted. Editors write new files, so its mode is set again. */
  async read(): Promise<string> {
    try {
      const text = await readFile(this.path, 'utf8')
      await chmod(this.path, 0o600)
      return text
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw error
    }
  }

  /** Gives the person another text, made of what was typed. */
  async write(text: string): Promise<void> {
    await writeFile(this.path, text, {mode: 0o600})
    this.#given = text
    this.#givenAgain = true
  }

  /** Keeps a text beside the file, and returns where. */
  async keep(text: string): Promise<string> {
    const path = `${this.path}.${randomBytes(3).toString('hex')}.kept`
    await writeFile(path, text, {mode: 0o600, flag: 'wx'})
    return path
  }

  /** True when something was typed that would be lost with it, or an editor left a file of its own. */
  async holdsWork(): Promise<boolean> {
    const files = await readdir(dirname(this.path)).catch(() => [])
    const text = await this.read()
    return files.length > 1 || (text.trim() !== '' && (this.#givenAgain || text !== this.#given))
  }

  /** Removes it with everything beside it. */
  async remove(): Promise<void> {
    await rm(dirname(this.path), {recursive: true, force: true})
  }
}
