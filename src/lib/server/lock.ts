import {randomBytes} from 'node:crypto'
import {link, mkdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {dirname} from 'node:path'

import {z} from 'zod'

import type {Clock} from '../clock.js'
import {ConflictError} from '../errors.js'
import {isRunning, readStartTime, type ProcessIdentity} from './process.js'

const holderSchema = z.object({pid: z.number(), startTime: z.string()})

export interface LockOptions {
  readonly clock: Clock
  /** Milliseconds to wait for another holder. */
  readonly waitMs: number
  /** Called once when there is something to wait for. */
  readonly onWait?: (holder: ProcessIdentity) => void
}

/**
 * Does the work while holding a lock file, which a holder that no longer runs does not keep. Throws a ConflictError
 * when another process holds it for longer than `waitMs`.
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await takeLock(path, options)
  try {
    return await work()
  } finally {
    await rm(path, {force: true})
  }
}

async function takeLock(path: string, {clock, waitMs, onWait}: LockOptions): Promise<void> {
  const mine = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const startTime = (await readStartTime(process.pid)) ?? ''
  await mkdir(dirname(path), {recursive: true, mode: 0o700})
  const deadline = clock.now() + waitMs
  let told = false
  try {
    await writeFile(mine, JSON.stringify({pid: process.pid, startTime}), {mode: 0o600})
    // A link appears together with its content, so nobody ever reads half a lock.
    while (!(await tryLink(mine, path))) {
      const holder = await readHolder(path)
      if (holder === undefined) continue
      if (!(await isRunning(holder))) {
        await dropStale(path)
        continue
      }
      if (!told) onWait?.(holder)
      told = true
      if (clock.now() > deadline) throw heldBy(holder)
      await clock.sleep(50)
    }
  } finally {
    await rm(mine, {force: true})
  }
}

function heldBy({pid}: ProcessIdentity): ConflictError {
  return new ConflictError(`Another process (${pid}) is working on this lattice.`, {
    suggestions: ['Run the same command again when it has ended.'],
    details: {pid},
  })
}

/** Renames before it removes: of several waiters one gets the stale file, and a fresh one is put back. */
async function dropStale(path: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const holder = await readHolder(aside)
  if (holder !== undefined && (await isRunning(holder))) await tryLink(aside, path)
  await rm(aside, {force: true})
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Undefined when it has just gone; a file of another form belongs to nobody that runs. */
async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch {
    return {pid: 0, startTime: ''}
  }
}
