import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {z} from 'zod'

import type {Clock} from '../clock.js'
import {
  errorKinds,
  LatticeError,
  ServerError,
  TimeoutError,
  UsageError,
  type ErrorKind,
  type ErrorOptions,
} from '../errors.js'
import {packageFolder} from '../files/package.js'
import {endProcess, isRunning, lastLines, startDetached, type DetachedProcess} from '../server/process.js'
import {leafFiles, leafFolder, readRecord, type LeafKey} from './places.js'
import type {Report} from './report.js'
import {RunsAlreadyError} from './run.js'

const readySchema = z.object({
  kind: z.literal('ready'),
  pid: z.number(),
  id: z.string(),
  name: z.string(),
  lattice: z.string(),
  form: z.enum(['beside', 'account-wide']),
  sources: z.array(z.string()),
  url: z.string(),
  server: z.object({id: z.string(), name: z.string(), version: z.string()}),
  remotes: z.array(z.string()),
  accepts: z.array(z.string()),
})

const noteSchema = z.object({kind: z.enum(['note', 'warning']), message: z.string()})

const failureSchema = z.object({
  error: z.object({
    kind: z.enum(errorKinds),
    message: z.string(),
    suggestions: z.array(z.string()).default([]),
    details: z.record(z.string(), z.unknown()).default({}),
  }),
})

/** A leaf node that runs in the background now. */
export interface LeafStarted extends Omit<z.infer<typeof readySchema>, 'kind'> {
  readonly detached: true
  /** Where its files and logs are. */
  readonly folder: string
}

export interface DetachOptions {
  readonly key: LeafKey
  /** What was typed behind `leaf run`. */
  readonly argv: readonly string[]
  readonly clock: Clock
  readonly report: Report
  /** Milliseconds until it must be ready. */
  readonly timeoutMs: number
}

/** Starts `leaf run` in the background and waits until it is ready; throws what it ended with. */
export async function detachLeaf({key, argv, clock, report, timeoutMs}: DetachOptions): Promise<LeafStarted> {
  const folder = leafFolder(key)
  const files = leafFiles(folder)
  refuseStdin(argv)
  await mkdir(folder, {recursive: true, mode: 0o700})
  const known = await readRecord(folder)
  if (known?.agent !== undefined && (await isRunning(known.agent))) throw new RunsAlreadyError(known, known.agent.pid)
  const started = await startDetached({
    file: process.execPath,
    args: [join(packageFolder(), 'bin', 'run.js'), 'leaf', 'run', ...foreground(argv), '--json'],
    cwd: process.cwd(),
    env: process.env,
    logFile: files.agentLog,
  })
  if (started === undefined) throw new ServerError(`Leaf node '${key.name}' ended at start.`)
  try {
    const ready = await waitUntilReady(started, {file: files.agentLog, clock, report, timeoutMs, name: key.name})
    return {...ready, detached: true, folder}
  } catch (error) {
    await endProcess(started.identity, 10_000, clock)
    throw error
  }
}

/** The same command for a process that stays. */
function foreground(argv: readonly string[]): string[] {
  return argv.filter((word) => word !== '--detach' && word !== '--json')
}

function refuseStdin(argv: readonly string[]): void {
  const fromStdin = argv.some((word, index) => word === '--password-file' && argv[index + 1] === '-')
  if (!fromStdin && !argv.includes('--password-file=-')) return
  throw new UsageError('A leaf node in the background cannot read its password from stdin.', {
    suggestions: ['--password-file FILE', 'lattice leaf run without --detach'],
  })
}

interface Wait {
  readonly file: string
  readonly name: string
  readonly clock: Clock
  readonly report: Report
  readonly timeoutMs: number
}

async function waitUntilReady(
  {identity}: DetachedProcess,
  {file, name, clock, report, timeoutMs}: Wait,
): Promise<Omit<z.infer<typeof readySchema>, 'kind'>> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    // Before the log is read: what was written last is in it then.
    const running = await isRunning(identity)
    const documents = (await readFile(file, 'utf8').catch(() => '')).split('\n').map(parseLine)
    const failure = documents.map((document) => failureSchema.safeParse(document).data).find(Boolean)
    if (failure !== undefined) throw new ToldError(failure.error)
    const ready = documents.map((document) => readySchema.safeParse(document).data).find(Boolean)
    if (ready !== undefined) {
      for (const document of documents) {
        const note = noteSchema.safeParse(document).data
        if (note !== undefined) report(note)
      }
      const {kind: _kind, ...rest} = ready
      return rest
    }
    if (!running) {
      const log = await lastLines(file, 12)
      throw new ServerError(`Leaf node '${name}' ended at start: ${log.slice(-1).join('') || 'it wrote no log'}.`, {
        details: {log},
      })
    }
    if (clock.now() > deadline) throw new TimeoutError(`Leaf node '${name}' was not ready within ${timeoutMs} ms.`)
    await clock.sleep(25)
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** What the process in the background failed with. */
class ToldError extends LatticeError {
  readonly kind: ErrorKind

  constructor({kind, message, ...options}: {readonly kind: ErrorKind; readonly message: string} & ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}
