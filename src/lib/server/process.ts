import {execFile, spawn, type ChildProcess} from 'node:child_process'
import {constants} from 'node:fs'
import {open, readFile, rename} from 'node:fs/promises'
import {promisify} from 'node:util'

import type {Clock} from '../clock.js'

/** A process that is known by more than its number: numbers are used again, also after a reboot. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, as the system tells it; only ever compared. */
  readonly startTime: string
}

const run = promisify(execFile)

/** When a process started, undefined when there is none with that number or only its exit status is left. */
export async function readStartTime(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return readProcStartTime(pid)
  const [file, ...args] =
    process.platform === 'win32'
      ? ['powershell', '-NoProfile', '-Command', `(Get-Process -Id ${pid}).StartTime.Ticks`]
      : ['ps', '-o', 'stat=,lstart=', '-p', String(pid)]
  const {stdout} = await run(file, args).catch(() => ({stdout: ''}))
  const text = stdout.trim()
  return text === '' || text.startsWith('Z') ? undefined : text.replace(/^\S+\s+(?=\S+\s+\S+\s+\d+\s)/, '')
}

/** Clock ticks since boot alone could repeat after the next boot, so the boot's own id is part of it. */
async function readProcStartTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name of the program may hold spaces and brackets; what follows its last bracket does not.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, ticks] = [fields[0], fields[19]]
  if (ticks === undefined || state === 'Z' || state === 'X') return undefined
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return `${ticks}@${boot.trim()}`
}

/** True while exactly this process runs. */
export async function isRunning({pid, startTime}: ProcessIdentity): Promise<boolean> {
  return (await readStartTime(pid)) === startTime
}

export interface DetachedProcess {
  readonly identity: ProcessIdentity
  /** Still our child: its end is seen at once. */
  readonly child: ChildProcess
}

export interface DetachedOptions {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** What it writes; made anew with mode 0600, what the process before wrote is kept beside it as `….old`. */
  readonly logFile: string
}

/** Starts a process that outlives this one; undefined when it ended before it could be looked at. */
export async function startDetached(options: DetachedOptions): Promise<DetachedProcess | undefined> {
  const {file, args, cwd, env, logFile} = options
  await rename(logFile, `${logFile}.old`).catch(ignoreMissing)
  await using log = await open(logFile, constants.O_CREAT | constants.O_APPEND | constants.O_WRONLY, 0o600)
  const child = spawn(file, args, {cwd, env, detached: true, windowsHide: true, stdio: ['ignore', log.fd, log.fd]})
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  child.unref()
  const pid = child.pid
  const startTime = pid === undefined ? undefined : await readStartTime(pid)
  return pid === undefined || startTime === undefined ? undefined : {child, identity: {pid, startTime}}
}

/**
 * Ends a process: SIGTERM, and SIGKILL when it has not ended after `graceMs` milliseconds. True when it needed no
 * SIGKILL; a process that is no longer this one is never touched.
 */
export async function endProcess(identity: ProcessIdentity, graceMs: number, clock: Clock): Promise<boolean> {
  if (!(await signal(identity, 'SIGTERM'))) return true
  if (await waitForEnd(identity, graceMs, clock)) return true
  await signal(identity, 'SIGKILL')
  await waitForEnd(identity, 5000, clock)
  return false
}

async function signal(identity: ProcessIdentity, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isRunning(identity))) return false
  try {
    return process.kill(identity.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

async function waitForEnd(identity: ProcessIdentity, withinMs: number, clock: Clock): Promise<boolean> {
  const deadline = clock.now() + withinMs
  for (;;) {
    if (!(await isRunning(identity))) return true
    if (clock.now() > deadline) return false
    await clock.sleep(20)
  }
}

/** The last lines of a log file, without empty ones; none when there is no file. */
export async function lastLines(file: string, count: number): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.slice(-count)
}

/** The line of a log that most likely says why something ended: the last one that fits, else the last one. */
export function worstLine(log: readonly string[], pattern: RegExp): string {
  const lines = [...log.filter((line) => !pattern.test(line)).slice(-1), ...log.filter((line) => pattern.test(line))]
  return (lines.pop() ?? 'it wrote no log').trim().replace(/\.$/, '')
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
