import {execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {promisify} from 'node:util'

import type {NatsConnection} from '@nats-io/transport-node'

import {openConnection} from '../../src/lib/nats/connect.js'
import {startOperatorServer, type OperatorServer} from './nats-server.js'
import {operatorEnv} from './route-env.js'
import {run, type RunResult} from './run.js'
import {tempFolder} from './temp.js'

/** A server on which programs of the examples run until it is disposed. */
export interface ExampleServer extends AsyncDisposable {
  readonly server: OperatorServer
  readonly caller: NatsConnection
  /** A folder for what is built. */
  readonly folder: string
  /** Runs a program as a person does, with a version as its last word, until the end. */
  start: (program: readonly string[], version: string) => Promise<void>
  lattice: (command: Parameters<typeof run>[0], ...argv: readonly string[]) => Promise<RunResult>
  /** How often each version answers callers who know nothing of versions. */
  answers: (subject: string, calls: number) => Promise<Record<string, number>>
}

export async function startExampleServer(): Promise<ExampleServer> {
  const server = await startOperatorServer()
  const [folder, caller] = await Promise.all([tempFolder(), openConnection(server.spec())])
  const children = new Set<() => Promise<void>>()
  return {
    server,
    caller,
    folder: folder.path,
    start: async ([file, ...argv], version) => {
      const child = spawn(file!, [...argv, version], {
        env: {PATH: process.env['PATH'], NATS_URL: server.url, NATS_CREDS: server.credsFile},
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const ended = once(child, 'exit')
      children.add(async () => {
        child.kill('SIGTERM')
        await ended
      })
      const lines = createInterface({input: child.stdout})
      const [line] = (await Promise.race([once(lines, 'line'), ended])) as [unknown]
      if (!String(line).endsWith(` ${version} answers`)) throw new Error(`'${file!}' began with ${String(line)}.`)
    },
    lattice: (command, ...argv) => run(command, argv, operatorEnv(server)),
    answers: async (subject, calls) => {
      const replies = await Promise.all(Array.from({length: calls}, () => caller.request(subject, '{"id":7}')))
      const versions = replies.map((reply) => (JSON.parse(reply.string()) as {version: string}).version)
      return Object.fromEntries([...Map.groupBy(versions, (one) => one)].map(([one, all]) => [one, all.length]))
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...children].map((end) => end()))
      await caller.close()
      await server[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** True when a program can be run to its end with success; why not is said once. */
export async function canRun(
  file: string,
  argv: readonly string[],
  options: {readonly cwd?: string} = {},
): Promise<boolean> {
  try {
    await promisify(execFile)(file, argv, {...options, timeout: 100_000})
    return true
  } catch (error) {
    const [reason] = (error as Error).message.split('\n').slice(-2)
    console.warn(`Skipped, because '${file} ${argv.join(' ')}' fails here: ${reason ?? ''}`)
    return false
  }
}
