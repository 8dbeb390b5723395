import {execFileSync, spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {Shell} from '../../src/lib/completion/generate.js'
import {runToEnd} from './cli.js'
import {until} from './until.js'

/** A shell at a terminal of its own, in which a completion script was loaded. */
export interface ShellSession extends AsyncDisposable {
  /** Types a line, in which TAB and ALL stand for keys, and Enter: the words that `lattice` got. */
  type: (line: string) => Promise<string[]>
  /** All that is offered at the end of a line. */
  answers: (line: string) => Promise<string[]>
  /** All that it wrote to its terminal since the last line. */
  screen: () => string
}

export interface ShellOptions {
  readonly shell: Shell
  /** File with the completion script. */
  readonly script: string
  /** Folder for what this session needs. */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** Lines to run before the first. */
  readonly before?: readonly string[]
}

/** Whether a shell can be driven here: it is installed, and so is the `script` of util-linux, which gives a terminal. */
export function canDrive(shell: Shell): boolean {
  try {
    return execFileSync('script', ['--version'], {encoding: 'utf8'}).includes('util-linux') && isInstalled(shell)
  } catch {
    return false
  }
}

/** Whether a shell is on PATH. */
export function isInstalled(shell: Shell): boolean {
  try {
    execFileSync(shell, ['--version'], {stdio: 'ignore'})
    return true
  } catch {
    return false
  }
}

const start: Readonly<Record<Shell, string>> = {
  bash: 'bash --noprofile --norc -i',
  zsh: 'zsh -f -i',
  fish: 'fish --no-config -i',
}

/** Loads the script; C-x a inserts every answer at once. */
const setUp: Readonly<Record<Shell, readonly string[]>> = {
  bash: [
    "PS1='@@ '",
    `bind '"\\C-xa": insert-completions'`,
    "bind 'set bell-style none'",
    "bind 'set enable-bracketed-paste off'",
    "bind 'set show-all-if-ambiguous on'",
    "bind 'set completion-query-items 0'",
    'source "$LATTICE_TEST_SCRIPT"',
  ],
  zsh: [
    "PS1='@@ '",
    'autoload -Uz compinit; compinit -D -u',
    "zstyle ':completion:all-matches:*' insert yes",
    "zstyle ':completion:all-matches::::' completer _all_matches _complete",
    'zle -C all-matches complete-word _generic',
    "bindkey '^Xa' all-matches",
    'LISTMAX=10000',
    'source $LATTICE_TEST_SCRIPT',
  ],
  fish: ["function fish_prompt; printf '@@ '; end", 'source $LATTICE_TEST_SCRIPT'],
}

/** Starts a shell: `await using shell = await startShell({…})`. Its `lattice` only says with which words it was run. */
export async function startShell({shell, script, folder, env, before = []}: ShellOptions): Promise<ShellSession> {
  const programs = join(folder, `bin-${shell}`)
  const got = join(folder, `got-${shell}`)
  await mkdir(programs, {recursive: true})
  const program = `#!/bin/sh\nfor each in "$@"; do printf '%s\\0' "$each"; done >'${got}'; echo ==done==\n`
  await writeFile(join(programs, 'lattice'), program, {mode: 0o755})
  const child = spawn('script', ['-qfec', start[shell], '/dev/null'], {
    env: {...env, PATH: `${programs}:${env['PATH'] ?? ''}`, TERM: 'dumb', LATTICE_TEST_SCRIPT: script},
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  let screen = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text))
  const type = async (line: string): Promise<string[]> => {
    screen = ''
    await rm(got, {force: true})
    child.stdin.write(`${line.replaceAll('TAB', '\t').replaceAll('ALL', '\u0018a')}\r`)
    await until(() => hasEnded(child) || /==done==[^]*@@ /.test(screen), 10_000).catch(() => undefined)
    if (!screen.includes('==done=='))
      throw new Error(`${shell} did not run ${JSON.stringify(line)}: ${JSON.stringify(screen)}`)
    const words = (await readFile(got, 'utf8')).split('\0')
    return words.slice(0, -1)
  }
  const session = {
    type,
    answers: (line: string) => (shell === 'fish' ? fishAnswers(line, {script, env}) : insertAll(line, type)),
    screen: () => screen,
    [Symbol.asyncDispose]: () => end(child),
  }
  try {
    for (const line of [...setUp[shell], ...before]) child.stdin.write(`${line}\r`)
    await type('lattice ready')
    return session
  } catch (error) {
    await end(child)
    throw error
  }
}

function hasEnded({exitCode, signalCode}: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Ends the shell with all that it started at its terminal. */
async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const exit = once(child, 'exit')
  process.kill(-child.pid!, 'SIGKILL')
  await exit
}

/** What a key that inserts every answer made of the last word of a line. */
async function insertAll(line: string, type: ShellSession['type']): Promise<string[]> {
  const [last] = /\S*$/.exec(line)!
  const before =
    line
      .slice(0, line.length - last.length)
      .trim()
      .split(/\s+/).length - 1
  const found = (await type(`${line}ALL`)).slice(before)
  return found.length === 1 && found[0] === last ? [] : found
}

/** What fish itself says, without the descriptions. */
async function fishAnswers(line: string, {script, env}: Pick<ShellOptions, 'script' | 'env'>): Promise<string[]> {
  const asked = ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', script, line]
  const {stdout, stderr} = await runToEnd('fish', asked, env)
  if (stderr !== '') throw new Error(`fish said: ${stderr}`)
  return stdout.split('\n').flatMap((answer) => (answer === '' ? [] : [answer.split('\t')[0]!]))
}
