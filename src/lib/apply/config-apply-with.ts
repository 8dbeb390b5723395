import {spawn, type ChildProcess} from 'node:child_process'
import type {Readable} from 'node:stream'

import type {Clock} from '../clock.js'
import {ServerError, TimeoutError} from '../errors.js'
import {SentUnknownError} from './driver.js'

/** A command that brings a manifest to the cluster. */
export interface ApplyCommand {
  /** For a shell; it reads the manifest on its standard input. */
  readonly command: string
  readonly timeoutMs: number
  readonly clock: Clock
  /** Told each line that it prints, whether result or complaint. */
  readonly report: (line: string) => void
}

/**
 * Feeds a manifest to a command. Throws an ApplyFailedError when it ends otherwise than with 0, and a SentUnknownError
 * when it does not end in time: then nobody knows what it did.
 */
export async function applyWith(manifest: string, {command, timeoutMs, clock, report}: ApplyCommand): Promise<void> {
  const child = start(command)
  let last = ''
  const printed = [child.stdout!, child.stderr!].map((stream) =>
    readLines(stream, (line) => {
      if (line.trim() !== '') last = line.trim().slice(0, 500)
      report(line)
    }),
  )
  // A command that does not read ends with a code that tells more.
  child.stdin!.on('error', () => undefined)
  child.stdin!.end(manifest)
  const over = new AbortController()
  const ended = endOf(child)
  const late = clock.sleep(timeoutMs, over.signal).then(
    () => undefined,
    () => undefined,
  )
  const reason = await Promise.race([ended, late])
  over.abort()
  if (reason === undefined) {
    endGroup(child)
    throw new SentUnknownError(new LateCommandError(command, timeoutMs))
  }
  // What it started in the background may keep the pipes open.
  await Promise.race([Promise.all(printed), clock.sleep(200)])
  child.stdout!.destroy()
  child.stderr!.destroy()
  if (reason !== '') throw new ApplyFailedError(command, reason, last)
}

const longestLine = 4096

/** Tells the lines of a stream as they come, the beginning of those that do not end; resolves when it is closed. */
function readLines(stream: Readable, tell: (line: string) => void): Promise<void> {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = `${rest}${text}`.split(/\r?\n/).map((line) => line.slice(0, longestLine))
    rest = lines.pop()!
    lines.forEach(tell)
  })
  return new Promise((resolve) => {
    stream.once('close', () => {
      if (rest !== '') tell(rest)
      resolve()
    })
  })
}

/** A group of its own, so that Ctrl-C does not end it half way, and all of it can be ended. */
function start(command: string): ChildProcess {
  return spawn(command, {shell: true, detached: true, stdio: ['pipe', 'pipe', 'pipe']})
}

/** Empty for exit 0. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', ({message}) => resolve(`could not be started: ${message}`))
    child.once('exit', (code, name) => {
      resolve(code === 0 ? '' : code === null ? `was ended by ${String(name)}` : `ended with exit ${code}`)
    })
  })
}

function endGroup({pid, stdout, stderr}: ChildProcess): void {
  stdout!.destroy()
  stderr!.destroy()
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

/** The command did not take the manifest, so nothing was changed. */
export class ApplyFailedError extends ServerError {
  constructor(command: string, reason: string, last: string) {
    const told = last === '' ? '' : `: ${last.replace(/\.$/, '')}`
    super(`The command '${command}' ${reason}, and nothing was changed${told}.`, {details: {command, reason, last}})
  }
}

class LateCommandError extends TimeoutError {
  constructor(command: string, timeoutMs: number) {
    super(`The command '${command}' did not end within ${timeoutMs} ms.`, {details: {command, timeoutMs}})
  }
}
