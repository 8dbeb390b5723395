import {spawn} from 'node:child_process'

import {shellWord} from '../entity/require.js'
import {ConnectionError} from '../errors.js'

/** What is asked of a program, and how long that may take. */
export interface Errand {
  readonly program: 'op' | 'nsc'
  readonly args: readonly string[]
  /** The reference that needs the program, as sentences show it. */
  readonly reference: string
  readonly timeoutMs: number
}

const largestBytes = 1 << 20

/**
 * Runs a helper program, without a shell and without our standard input, and gives what it prints. Nothing that it
 * prints gets into an error: that may be the secret. Throws a MissingProgramError or a ConnectionError.
 */
export function runProgram(errand: Errand): Promise<string> {
  const {program, args, timeoutMs} = errand
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true})
    const chunks: Buffer[] = []
    let size = 0
    const end = (error?: Error): void => {
      clearTimeout(late)
      // What the program started may keep the pipe open after its end.
      child.stdout.destroy()
      if (error === undefined) return resolve(Buffer.concat(chunks).toString('utf8'))
      child.kill('SIGKILL')
      reject(error)
    }
    const late = setTimeout(() => end(new FailedProgramError(errand, `did not end within ${timeoutMs} ms`)), timeoutMs)
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > largestBytes) end(new FailedProgramError(errand, 'printed more than 1 MiB'))
      else chunks.push(chunk)
    })
    child.once('error', (error: NodeJS.ErrnoException) => {
      end(
        error.code === 'ENOENT' ? new MissingProgramError(errand) : new FailedProgramError(errand, 'could not be run'),
      )
    })
    child.once('close', (code, signal) => {
      if (code === 0) return end()
      end(new FailedProgramError(errand, code === null ? `was ended by ${String(signal)}` : `ended with code ${code}`))
    })
  })
}

/** A reference needs a program that is not installed. */
export class MissingProgramError extends ConnectionError {
  constructor({program, reference}: Errand) {
    super(`The program '${program}' that '${reference}' needs is not on PATH.`, {
      suggestions: [`Install ${program}, or name a file with the secret.`],
      details: {program, reference},
    })
  }
}

/** A program did not give what a reference stands for. */
export class FailedProgramError extends ConnectionError {
  constructor({program, args, reference}: Errand, what: string) {
    super(`The program '${program}' did not give '${reference}': it ${what}.`, {
      // Its output is not ours to repeat.
      suggestions: [`${[program, ...args.map(shellWord)].join(' ')} >/dev/null`],
      details: {program, reference},
    })
  }
}
