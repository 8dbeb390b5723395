import {spawn} from 'node:child_process'

import {ServerError} from '../errors.js'

export interface ProgramOptions {
  readonly cwd: string
  /** The whole environment; default: that of this process. */
  readonly env?: NodeJS.ProcessEnv
  readonly timeoutMs: number
}

/** Runs a program to its end and returns its stdout; throws a ServerError with the last line it wrote when it fails. */
export async function runProgram(file: string, args: readonly string[], options: ProgramOptions): Promise<string> {
  const {cwd, env = process.env, timeoutMs} = options
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    })
    let [stdout, stderr, late] = ['', '', false]
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(
        new ServerError(cause.code === 'ENOENT' ? `'${file}' is not there.` : `'${file}' could not be started.`, {
          cause,
        }),
      )
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      if (code === 0) resolve(stdout)
      else
        reject(new ServerError(`'${file}' ${late ? 'took too long' : `failed: ${lastLine(`${stdout}\n${stderr}`)}`}.`))
    })
  })
}

function lastLine(text: string): string {
  const line = text.slice(text.trimEnd().lastIndexOf('\n') + 1)
  return line.trim().replace(/\.$/, '').slice(0, 300) || 'it said nothing'
}
