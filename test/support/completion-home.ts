import {mkdir, readdir, readFile, utimes, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {commandTable} from '../../src/lib/cli/table.js'
import {completionScript, type Shell} from '../../src/lib/completion/generate.js'
import {startShell, type ShellSession} from './shell-session.js'
import {tempFolder} from './temp.js'
import {until} from './until.js'

/** A home folder with contexts, and a program in place of ours that keeps names and says how it was started. */
export interface CompletionHome extends AsyncDisposable {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
  /** Arguments of every start of the program, in order. */
  started: () => Promise<string[][]>
  /** Lines of names that the program writes from now on; nothing makes it fail. */
  known: (lines: readonly string[] | undefined) => Promise<void>
  /** Files in the folder of names, with their text. */
  files: () => Promise<Record<string, string>>
  /** Makes names and contexts as old as this. */
  age: (seconds: number) => Promise<void>
  shell: (shell: Shell, more?: ShellMore) => Promise<ShellSession>
}

export interface ShellMore {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly before?: readonly string[]
}

/** Names as a lattice with two versions of one actor has them. */
export const sampleNames = [
  'lattice\tdefault\t',
  'host\tNAXX\tcold moon',
  'actor\techo\tactor on 1 host',
  'provider\thttpserver\tprovider on 1 host',
  'ref\techo@1.0.0\tlive on 1 host',
  'ref\techo@2.0.0\tdark on 1 host',
  'ref\thttpserver@0.1.0\tlive on 1 host',
  'version\t1.0.0\techo',
  'version\t2.0.0\techo',
  'version\t0.1.0\thttpserver',
]

/** Makes one: `await using home = await completionHome(['one', 'two'])`. The first context is selected. */
export async function completionHome(contexts: readonly string[] = []): Promise<CompletionHome> {
  const folder = await tempFolder()
  const paths = {
    config: join(folder.path, '.config', 'nats'),
    names: join(folder.path, '.cache', 'lattice', 'completion'),
    program: join(folder.path, 'program.sh'),
    started: join(folder.path, 'started'),
    known: join(folder.path, 'known'),
  }
  await mkdir(join(paths.config, 'context'), {recursive: true})
  for (const name of contexts) await writeFile(join(paths.config, 'context', `${name}.json`), '{}')
  if (contexts.length > 0) await writeFile(join(paths.config, 'context.txt'), contexts[0]!)
  await writeFile(paths.program, program(paths))
  await writeFile(paths.started, '')
  const env = {HOME: folder.path, PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8'}
  const options = async (shell: Shell, {env: more = {}, before}: ShellMore) => {
    const script = join(folder.path, `script.${shell}`)
    await writeFile(script, (await completionScript(shell, commandTable, ['/bin/sh', paths.program])).script)
    const all: Record<string, string | undefined> = {...env, ...more}
    const wanted = Object.entries(all).filter(([, value]) => value !== undefined)
    return {
      shell,
      script,
      folder: folder.path,
      env: Object.fromEntries(wanted) as Record<string, string>,
      ...(before === undefined ? {} : {before}),
    }
  }
  const home: CompletionHome = {
    path: folder.path,
    env,
    started: async () => {
      const lines = (await readFile(paths.started, 'utf8')).split('\n').filter((line) => line !== '')
      return lines.map((line) => line.split('\u001f').slice(0, -1))
    },
    known: (lines = []) => writeFile(paths.known, lines.map((line) => `${line}\n`).join('')),
    files: async () => {
      const names = await readdir(paths.names).catch(() => [])
      const whole = names.filter((name) => !name.endsWith('.tmp'))
      const texts = whole.map(async (name) => [name, await readFile(join(paths.names, name), 'utf8')] as const)
      return Object.fromEntries(await Promise.all(texts))
    },
    age: async (seconds) => {
      const then = Math.floor(Date.now() / 1000) - seconds
      for (const [name, text] of Object.entries(await home.files())) {
        const lines = text.split('\n')
        const aged = name.endsWith('.tried')
          ? [String(then), '']
          : lines.map((line, at) => (at === 2 ? String(then) : line))
        await writeFile(join(paths.names, name), aged.join('\n'))
        await utimes(join(paths.names, name), then, then)
      }
      for (const name of await readdir(join(paths.config, 'context'))) {
        await utimes(join(paths.config, 'context', name), then - 1, then - 1)
      }
    },
    shell: async (shell, more = {}) => startShell(await options(shell, more)),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  }
  await home.known(sampleNames)
  return home
}

/** Waits until a shell that has started the program finds the names that it wrote. */
export async function namesWritten(home: CompletionHome): Promise<void> {
  await until(async () => Object.keys(await home.files()).some((name) => !name.endsWith('.tried')), 5000)
}

/** Does what `completion refresh` does, but from a file, and notes its arguments. */
function program({names, started, known}: {names: string; started: string; known: string}): string {
  return `all=; for each in "$@"; do all="$all$each$(printf '\\037')"; done; printf '%s\\n' "$all" >>'${started}'
file= key=
while [ $# -gt 0 ]; do
  case $1 in --file) file=$2; shift ;; --key) key=$2; shift ;; esac
  shift
done
[ -s '${known}' ] || exit 11
{ echo 'lattice names 1'; printf '%s\\n' "$key"; date +%s; cat '${known}'; } >'${names}'/"$file".tmp
mv '${names}'/"$file".tmp '${names}'/"$file"
`
}
