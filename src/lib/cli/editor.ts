import {spawn} from 'node:child_process'
import {once} from 'node:events'

import {InterruptedError, UsageError} from '../errors.js'
import {askToAgree} from './agree.js'
import {ownTerminal} from './confirm.js'
import {interruptSignal} from './signals.js'

/** A person with an editor. */
export interface Writer {
  /** Opens a file in the editor; resolves when it is closed. Throws an InterruptedError when it ends otherwise. */
  readonly openEditor: (file: string) => Promise<void>
  /** Asks the person; undefined without a terminal. */
  readonly ask: ((question: string) => Promise<boolean>) | undefined
}

/** How long an editor may take to end when it is told to. */
const graceMs = 2000

/** The person who runs this process; throws a UsageError when there is no editor. */
export function ownWriter(): Writer {
  const terminal = ownTerminal()
  const command = editorCommand(process.env, terminal !== undefined)
  let editing = false
  // At the terminal Ctrl-C goes to the editor, to which it may mean anything.
  const signal = interruptSignal({heeds: (name) => !editing || name !== 'SIGINT'})
  return {
    openEditor: async (file) => {
      editing = true
      try {
        await runEditor(command, file, signal)
      } finally {
        editing = false
      }
    },
    ask:
      terminal &&
      (async (question) => {
        refuseAborted(signal)
        return askToAgree(question, terminal).catch((error: unknown) => {
          if (error instanceof InterruptedError) return false
          throw error
        })
      }),
  }
}

/** What opens a file: `$VISUAL`, else `$EDITOR`, else vi where there is a terminal. It is a line for the shell. */
export function editorCommand(env: NodeJS.ProcessEnv, terminal: boolean): string {
  const command = [env['VISUAL'], env['EDITOR']].find((value) => value !== undefined && value.trim() !== '')
  if (command !== undefined) return command
  if (terminal) return 'vi'
  throw new UsageError('There is no terminal to edit at, and neither VISUAL nor EDITOR names a program.', {
    suggestions: ['lattice cache put --help'],
  })
}

async function runEditor(command: string, file: string, signal: AbortSignal): Promise<void> {
  refuseAborted(signal)
  // What it writes is no result of ours.
  const stdout = process.stdout.isTTY ? 'inherit' : 2
  const child = spawn('sh', ['-c', shellLine(command), command, file], {stdio: ['inherit', stdout, 'inherit']})
  let timer: NodeJS.Timeout | undefined
  const end = (): void => {
    child.kill('SIGTERM')
    timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  }
  signal.addEventListener('abort', end)
  try {
    const [code, killed] = (await once(child, 'close')) as [number | null, string | null]
    refuseAborted(signal)
    if (code === 126 || code === 127) throw new NoEditorError(command)
    if (code === 0) return
    throw new InterruptedError(`The editor ended with ${killed ?? `exit code ${code ?? '?'}`}, so nothing was written.`)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

/** A shell that waits would end at a Ctrl-C that its editor lives through, so it becomes the editor where it can. */
function shellLine(command: string): string {
  const simple = !/^\s*\w+=|[;&|<>()`\n]/.test(command)
  return `${simple ? 'exec ' : ''}${command} "$@"`
}

function refuseAborted({aborted, reason}: AbortSignal): void {
  if (aborted) throw new InterruptedError(`Nothing was written, because of ${String(reason)}.`)
}

class NoEditorError extends UsageError {
  constructor(command: string) {
    super(`The editor '${command}' cannot be started.`, {suggestions: ['EDITOR=vi lattice cache edit']})
  }
}
