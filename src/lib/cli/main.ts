import {Config} from '@oclif/core/config'

import {UsageError} from '../errors.js'
import {reportFailure} from './command.js'
import {commandTable} from './table.js'

/** What is still open so long after a command ended is open by mistake; milliseconds. */
const lingerMs = 100

/**
 * Runs one command line and sets the exit code. After a failure the process ends at once, and after success when something
 * keeps it alive: the NATS client cannot close a socket on which no server ever spoke, and that would stay open for as
 * long as the other side likes.
 */
export async function main(argv: readonly string[], root: string): Promise<void> {
  keepOutput()
  await runCommandLine(argv, root)
  if (process.exitCode === undefined || process.exitCode === 0) setTimeout(() => void end(), lingerMs).unref()
  else await end()
}

async function end(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(flush))
  process.exit()
}

/** The NATS client prints what it cannot parse among our results, in the words of whoever sent it. */
function keepOutput(): void {
  /* eslint-disable no-console */
  const {log} = console
  console.log = (...words: unknown[]) => {
    if (words[0] !== 'reader closed') log(...words)
  }
  /* eslint-enable no-console */
}

/** Resolves when everything written is with the reader, or the reader has gone. */
function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('error', () => resolve())
    stream.write('', () => resolve())
  })
}

async function runCommandLine(argv: readonly string[], root: string): Promise<void> {
  // Before oclif's own listener, which throws.
  process.stdout.prependListener('error', onOutputLost)
  try {
    const found = findCommand(argv)
    if (argv[0] === 'help') await runAny([...argv.slice(1), '--help'], root)
    else if (found === undefined || wantsHelp(found.rest)) await runAny(argv, root)
    else await runOne(found, root)
  } catch (error) {
    reportFailure(error, argv.includes('--json'))
  }
}

/** A reader that went away wants no more; a full disk must be told, once and in a sentence. */
function onOutputLost({code = 'error'}: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') return
  process.stderr.write(`Error: The output could not be written: ${code}.\n`)
  process.exit(1)
}

interface Found {
  readonly words: string
  readonly rest: readonly string[]
}

/** The longest run of leading words that is a command. */
function findCommand(argv: readonly string[]): Found | undefined {
  for (const length of [2, 1]) {
    const words = argv.slice(0, length).join(' ')
    if (argv.length >= length && Object.hasOwn(commandTable, words)) return {words, rest: argv.slice(length)}
  }
  return undefined
}

function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end < 0 ? undefined : end).some((word) => word === '--help')
}

/** oclif's configuration for a command that the table knows: no plugins to find, so no hooks to run. */
export class TableConfig extends Config {
  override bin = 'lattice'

  override runHook(): ReturnType<Config['runHook']> {
    return Promise.resolve({successes: [], failures: []})
  }
}

async function runOne({words, rest}: Found, root: string): Promise<void> {
  const {default: command} = await commandTable[words]!()
  command.id = words.replaceAll(' ', ':')
  await new command([...rest], new TableConfig({root})).execute()
}

/** Help, version and topics: oclif with the whole table. */
async function runAny(argv: readonly string[], root: string): Promise<void> {
  refuseUnknown(argv.filter((word) => !word.startsWith('-')))
  const {run} = await import('@oclif/core/run')
  await run([...argv], root)
}

function refuseUnknown([first, second]: readonly string[]): void {
  if (first === undefined) return
  const known = Object.keys(commandTable)
  const inTopic = known.filter((words) => words.startsWith(`${first} `))
  if (Object.hasOwn(commandTable, first) || (inTopic.length > 0 && second === undefined)) return
  if (inTopic.some((words) => words === `${first} ${second ?? ''}`)) return
  const words = inTopic.length > 0 ? `${first} ${second ?? ''}` : first
  throw new UsageError(`No command '${words}'.`, {
    suggestions: inTopic.length > 0 ? inTopic.map((command) => `lattice ${command}`) : ['lattice --help'],
  })
}
