import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'

/** Key of the record that all of them edit. */
export const contendedKey = 'contended'

/** The record: how often it was edited, and by whom. */
export interface Contended {
  readonly total: number
  readonly by: Readonly<Record<string, number>>
}

/** Through our cache, or with bare requests. */
export type ContenderWay = 'ours' | 'bare'

/** What one process did. */
export interface ContenderReport {
  readonly name: string
  readonly won: number
  /** Attempts after which it was told that somebody else was faster. */
  readonly told: number
  readonly tookMs: number
}

export interface Contention {
  readonly url: string
  readonly lattice: string
  readonly processes: number
  /** Of each process. */
  readonly edits: number
  readonly way: ContenderWay
}

/** Lets processes edit one record at the same moment; the record must be there. Rejects when one of them fails. */
export async function contend({url, lattice, processes, edits, way}: Contention): Promise<ContenderReport[]> {
  const [imports, script] = ['source-imports.js', 'contender.ts'].map((file) => new URL(file, import.meta.url))
  await using children = new AsyncDisposableStack()
  const started = Array.from({length: processes}, (_, index) => {
    const argv = [url, lattice, `p${index}`, String(edits), way]
    const child = spawn(process.execPath, ['--import', imports!.href, fileURLToPath(script!), ...argv], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const ended = once(child, 'close')
    children.defer(async () => {
      child.kill('SIGKILL')
      await ended
    })
    return {child, lines: createInterface({input: child.stdout})[Symbol.asyncIterator]()}
  })
  const nextLine = async ({lines}: (typeof started)[number]): Promise<string> => {
    const {done, value} = await lines.next()
    if (done === true) throw new Error('A process ended before it had done its edits.')
    return value
  }
  await Promise.all(started.map(nextLine))
  for (const {child} of started) child.stdin.write('go\n')
  const reports = await Promise.all(started.map(nextLine))
  return reports.map((line) => JSON.parse(line) as ContenderReport)
}
