import {spawn} from 'node:child_process'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'

import type {LoadTask} from './world.ts'

/** What came of the requests of one task. */
export interface Counted {
  readonly sent: number
  readonly counts: Readonly<Record<string, number>>
  readonly reasons: Readonly<Record<string, number>>
}

export interface Load extends AsyncDisposable {
  start: () => void
  stop: () => Promise<Counted>
}

/** Answers from now on, and requests from `start` to `stop`. */
export async function startLoad(task: LoadTask): Promise<Load> {
  const script = fileURLToPath(new URL('../load/requests.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {stdio: ['pipe', 'pipe', 'inherit']})
  process.once('exit', () => child.kill())
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]()
  await lines.next()
  return {
    start: () => child.stdin.write('go\n'),
    stop: async () => {
      child.stdin.end()
      const {value} = await lines.next()
      return JSON.parse(String(value)) as Counted
    },
    [Symbol.asyncDispose]: () => Promise.resolve(void child.kill()),
  }
}
