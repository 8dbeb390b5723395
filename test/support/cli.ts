import {spawn, type ChildProcess} from 'node:child_process'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {fileURLToPath} from 'node:url'

import {findNatsServer} from '../../src/lib/server/find.js'

const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

/** How a program ended. */
export interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number | null
  /** From start to end, in milliseconds. */
  readonly tookMs: number
  /** stdout as one JSON document. */
  readonly json: () => unknown
}

/** What a failure looks like with `--json`. */
export interface Failure {
  readonly error: {
    readonly kind: string
    readonly message: string
    readonly suggestions: readonly string[]
    readonly details: Readonly<Record<string, unknown>>
  }
}

/** The tool as a program of its own, with nothing of the user's configuration. */
export interface Cli {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  run: (...argv: readonly string[]) => Promise<Ended>
  /** Runs a command with `--json` that has to succeed; its document. */
  ok: <T = Record<string, unknown>>(...argv: readonly string[]) => Promise<T>
  /** Runs a command with `--json` that has to end with this exit code; what it says. */
  fails: (exitCode: number, ...argv: readonly string[]) => Promise<Failure['error']>
  /** Pastes a line into a shell where `lattice` is installed. */
  paste: (line: string) => Promise<Ended>
}

/** The tool with configuration, state and home below a folder, for as long as that exists. */
export async function cliIn(folder: string, more: Readonly<Record<string, string>> = {}): Promise<Cli> {
  const programs = join(folder, 'bin')
  await mkdir(programs, {recursive: true})
  const launcher = `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`
  await writeFile(join(programs, 'lattice'), launcher, {mode: 0o755})
  const natsServer = (await findNatsServer())?.path
  const env = {
    PATH: `${programs}:${process.env['PATH'] ?? ''}`,
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    ...(natsServer === undefined ? {} : {LATTICE_NATS_SERVER: natsServer}),
    ...more,
  }
  const run = (...argv: readonly string[]): Promise<Ended> => runToEnd(process.execPath, [bin, ...argv], env)
  const expectExit = async (exitCode: number, argv: readonly string[]): Promise<Ended> => {
    const ended = await run(...argv, '--json')
    if (ended.exitCode === exitCode) return ended
    const said = `${ended.stdout}${ended.stderr}`
    throw new Error(`lattice ${argv.join(' ')} ended with ${ended.exitCode ?? 'a signal'}, not ${exitCode}:\n${said}`)
  }
  return {
    folder,
    env,
    run,
    ok: async <T>(...argv: readonly string[]) => (await expectExit(0, argv)).json() as T,
    fails: async (exitCode, ...argv) => ((await expectExit(exitCode, argv)).json() as Failure).error,
    paste: (line) => runToEnd('sh', ['-c', line], env),
  }
}

/** Runs a program to its end; it is killed after `withinMs` milliseconds. */
export async function runToEnd(
  file: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  {withinMs = 30_000, onStart}: {withinMs?: number; onStart?: (child: ChildProcess) => void} = {},
): Promise<Ended> {
  const started = performance.now()
  const child = spawn(file, [...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: withinMs,
    killSignal: 'SIGKILL',
  })
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  onStart?.(child)
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  const tookMs = performance.now() - started
  return {stdout, stderr, exitCode, tookMs, json: () => JSON.parse(stdout) as unknown}
}
