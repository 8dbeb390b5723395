import {fileURLToPath} from 'node:url'

import {captureOutput} from '@oclif/test'

import type {LocalCommand} from '../../src/lib/cli/command.js'
import {TableConfig} from '../../src/lib/cli/main.js'

export interface RunResult {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
  /** stdout as one JSON document. */
  json: () => unknown
}

type CommandClass = new (argv: string[], config: TableConfig) => LocalCommand<object>

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a command class in this process, as the command line would, with a changed environment while it runs. */
export async function run(
  command: CommandClass,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<RunResult> {
  const before = new Map(Object.keys(env).map((name) => [name, process.env[name]]))
  setEnvironment(Object.entries(env))
  process.exitCode = undefined
  const signals = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => [name, process.listeners(name)] as const)
  try {
    const {stdout, stderr} = await captureOutput(() => new command([...argv], new TableConfig({root})).execute())
    return {stdout, stderr, exitCode: exitCodeNow(), json: () => JSON.parse(stdout) as unknown}
  } finally {
    process.exitCode = undefined
    setEnvironment(before)
    // A command listens for signals until its process ends, and this process goes on.
    for (const [name, listeners] of signals) {
      for (const listener of process.listeners(name)) {
        if (!listeners.includes(listener)) process.removeListener(name, listener)
      }
    }
  }
}

// A function, because the compiler believes that nothing set the code since.
function exitCodeNow(): number {
  return Number(process.exitCode ?? 0)
}

function setEnvironment(entries: Iterable<readonly [string, string | undefined]>): void {
  for (const [name, value] of entries) {
    if (value === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = value
  }
}
