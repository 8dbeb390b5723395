import {createHash, randomUUID} from 'node:crypto'
import {linkSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir, userInfo} from 'node:os'
import {join} from 'node:path'

/**
 * Takes the lock of a folder, waiting while a living process holds it. It lies in the temp folder because `npm ci`
 * removes node_modules and a clone may be read by others meanwhile.
 */
export async function takeLock(folder, onWait) {
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  const file = join(tmpdir(), `lattice-setup-${userInfo().username}-${name}.lock`)
  const mine = `${file}.${randomUUID()}`
  writeFileSync(mine, String(process.pid), {mode: 0o600})
  try {
    for (let told = false; !tryLink(mine, file);) {
      if (isStale(file)) {
        dropStale(file)
        continue
      }
      if (!told) onWait()
      told = true
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  } finally {
    rmSync(mine, {force: true})
  }
  let held = true
  return {
    release() {
      if (held) rmSync(file, {force: true})
      held = false
    },
  }
}

/** A link appears with its content, so no reader ever sees an empty lock. */
function tryLink(from, to) {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function isStale(file) {
  const holder = readHolder(file)
  if (holder === undefined) return false
  try {
    process.kill(holder, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

/** Renames before it removes: only one of several waiters gets the stale file, and a fresh one is put back. */
function dropStale(file) {
  const aside = `${file}.${randomUUID()}`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  if (!isStale(aside)) tryLink(aside, file)
  rmSync(aside, {force: true})
}

function readHolder(file) {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
