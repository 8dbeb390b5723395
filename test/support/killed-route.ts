import {fileURLToPath} from 'node:url'

import type {ChildProcess} from 'node:child_process'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {runToEnd, type Ended} from './cli.js'

/** What a process that splits a route is told. */
export interface RouteProgram {
  readonly spec: ConnectSpec
  /** The way of the system account's connection, such as one that a test can break. */
  readonly systemUrl: string
  /** Of the entity. */
  readonly key: string
  readonly weights: string
  readonly versions: readonly string[]
}

/** Runs it to its end, which may be a signal; `onStart` gets the process. */
export function runRoute(program: RouteProgram, onStart?: (child: ChildProcess) => void): Promise<Ended> {
  const [imports, script] = ['source-imports.js', 'route-program.ts'].map((file) => new URL(file, import.meta.url))
  const argv = ['--import', imports!.href, fileURLToPath(script!), JSON.stringify(program)]
  const env = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])))
  return runToEnd(process.execPath, argv, env, {withinMs: 60_000, ...(onStart === undefined ? {} : {onStart})})
}
