import {spawn} from 'node:child_process'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A lattice command that failed: its own words, for the person who runs the demo. */
export class CommandError extends Error {
  constructor(words: readonly string[], exit: number | null, output: string) {
    super(`lattice ${words.join(' ')} ended with exit code ${exit ?? 'none'}:\n${output.trim()}`)
  }
}

/** Where the demo's lattice lives: folders of its own, or the user's when it is to be kept. */
export interface Place {
  readonly name: string
  readonly env: NodeJS.ProcessEnv
  /** Removes the demo's folders; leaves the user's alone. */
  remove: () => Promise<void>
}

/** Folders of the demo's own, so that it never sees the user's contexts. */
export async function temporaryPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'lattice-demo-'))
  const env = {...cleanEnvironment(), XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state')}
  return {name: 'demo', env, remove: () => rm(folder, {recursive: true, force: true})}
}

/** The user's own folders. */
export function userPlace(): Place {
  return {name: 'demo', env: cleanEnvironment(), remove: () => Promise.resolve()}
}

/** Connection settings of the user must not lead the demo to another lattice. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(NATS_|LATTICE_(?!NATS_SERVER|OFFLINE))/.test(name))
  return Object.fromEntries(kept)
}

/** Runs one lattice command to its end and parses its JSON. */
export function lattice(place: Place, words: readonly string[]): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'bin', 'run.js'), ...words, '--json'], {
      cwd: root,
      env: place.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(stdout) as Record<string, unknown>)
      else reject(new CommandError(words, code, `${stderr}${stdout}`))
    })
  })
}
