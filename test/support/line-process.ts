import {spawn} from 'node:child_process'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'

import {until} from './until.js'

const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

/** A command that goes on until it is told to end; what it printed so far. */
export interface LineProcess extends AsyncDisposable {
  readonly lines: readonly string[]
  /** When each line came, by `performance.now()`. */
  readonly linesAt: readonly number[]
  readonly stderr: readonly string[]
  /** Waits until a line of stdout holds the text, or so many do. */
  see: (text: string, times?: number, withinMs?: number) => Promise<void>
  /** Waits until a line of stderr holds the text. */
  tells: (text: string) => Promise<void>
  /** Sends a signal and waits for the end; the exit code. */
  end: (signal?: NodeJS.Signals) => Promise<number | null>
  /** Resolves when it ended. */
  readonly ended: Promise<number | null>
  /** Reads no more of stdout, as `head` does. */
  closeOutput: () => void
}

/** Starts the tool: `await using watch = runLines(['cache', 'watch'], env)`. It is killed when disposed. */
export function runLines(argv: readonly string[], env: Readonly<Record<string, string>>): LineProcess {
  const child = spawn(process.execPath, [bin, ...argv], {env, stdio: ['ignore', 'pipe', 'pipe']})
  const lines: string[] = []
  const linesAt: number[] = []
  const stderr: string[] = []
  createInterface({input: child.stdout}).on('line', (line) => {
    lines.push(line)
    linesAt.push(performance.now())
  })
  createInterface({input: child.stderr}).on('line', (line) => stderr.push(line))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const shown = (condition: () => boolean, withinMs: number): Promise<void> =>
    until(condition, withinMs).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${[...lines, ...stderr].join('\n')}`)
    })
  return {
    lines,
    linesAt,
    stderr,
    ended,
    see: (text, times = 1, withinMs = 15_000) =>
      shown(() => lines.filter((line) => line.includes(text)).length >= times, withinMs),
    tells: (text) => shown(() => stderr.some((line) => line.includes(text)), 15_000),
    end: (signal = 'SIGINT') => {
      child.kill(signal)
      return ended
    },
    closeOutput: () => child.stdout.destroy(),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
