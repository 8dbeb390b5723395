import {readdirSync, readFileSync} from 'node:fs'

const withinMs = 20_000

/**
 * Makes a process stand still, as one in a debugger, and returns when none of its threads runs any more: on a busy machine
 * the others go on for a while after the signal was sent to one of them. It blocks, so that nothing is sent meanwhile.
 */
export function standStill(pid: number): void {
  process.kill(pid, 'SIGSTOP')
  if (process.platform !== 'linux') return
  const deadline = performance.now() + withinMs
  const moment = new Int32Array(new SharedArrayBuffer(4))
  while (!threadsOf(pid).every((state) => state === 'T' || state === 'Z')) {
    if (performance.now() > deadline) throw new Error(`The process ${pid} does not stand still.`)
    Atomics.wait(moment, 0, 0, 1)
  }
}

/** Lets it go on. */
export function goOn(pid: number): void {
  process.kill(pid, 'SIGCONT')
}

/** The state of each thread as one letter; those that ended meanwhile are left out. */
function threadsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      return [stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)]
    } catch {
      return []
    }
  })
}
