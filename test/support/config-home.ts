import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {afterEach, beforeEach} from 'vitest'

import {run, type RunResult} from './run.js'
import {tempFolder, type TempFolder} from './temp.js'

/** Configuration folder and home of each test of a file: folders of its own, with nothing in them. */
export interface ConfigHome {
  readonly path: (...parts: readonly string[]) => string
  /** Writes a file below it, folders included; objects as JSON. */
  readonly write: (path: string, content: string | object) => Promise<string>
  readonly json: (path: string) => Promise<Record<string, unknown>>
  /** Runs a command there, with no variable of the user's that decides a connection. */
  readonly run: (command: Parameters<typeof run>[0], ...argv: readonly string[]) => Promise<RunResult>
}

const cleared = /^(?:LATTICE|NATS|WASH|NSC|NKEYS|XDG)_/

/** Call it once at the top of a file. */
export function useConfigHome(more: Readonly<Record<string, string>> = {}): ConfigHome {
  let folder: TempFolder
  beforeEach(async () => {
    folder = await tempFolder()
  })
  afterEach(() => folder[Symbol.asyncDispose]())
  const path = (...parts: readonly string[]): string => join(folder.path, ...parts)
  return {
    path,
    write: async (name, content) => {
      await mkdir(dirname(path(name)), {recursive: true})
      await writeFile(path(name), typeof content === 'string' ? content : JSON.stringify(content))
      return path(name)
    },
    json: async (name) => JSON.parse(await readFile(path(name), 'utf8')) as Record<string, unknown>,
    run: (command, ...argv) => {
      const users = Object.keys(process.env).filter((name) => cleared.test(name))
      const none = Object.fromEntries(users.map((name) => [name, undefined]))
      return run(command, argv, {...none, HOME: path(), XDG_CONFIG_HOME: path('config'), ...more})
    },
  }
}
