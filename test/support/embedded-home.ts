import {once} from 'node:events'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {afterEach, beforeEach} from 'vitest'

import {systemClock} from '../../src/lib/clock.js'
import {downEmbedded, type DownResult} from '../../src/lib/server/down.js'
import type {EmbeddedEvent} from '../../src/lib/server/embedded-events.js'
import {readState, type EmbeddedState} from '../../src/lib/server/embedded-state.js'
import {isRunning} from '../../src/lib/server/process.js'
import {upEmbedded, type UpOptions, type UpResult} from '../../src/lib/server/up.js'
import {tempFolder, type TempFolder} from './temp.js'
import {until} from './until.js'

const peerHost = [process.execPath, fileURLToPath(new URL('peer-host.ts', import.meta.url))] as const

/** Configuration and state folders of one test; lattices named `default` and `other` in them end with it. */
export interface EmbeddedHome {
  readonly path: string
  /** What was reported since the test began. */
  readonly events: readonly EmbeddedEvent[]
  up: (asked?: Partial<UpOptions>) => Promise<UpResult>
  down: (asked?: {purge: boolean}) => Promise<DownResult>
  /** The state of the lattice `default`; rejects when there is none. */
  state: () => Promise<EmbeddedState>
  /** Ends one process of it, or all, as a power cut would. */
  kill: (which: 'all' | number) => Promise<void>
}

/** Gives every test of a file its own home; call it once at the top. */
export function useEmbeddedHome(): EmbeddedHome {
  let folder: TempFolder
  let events: EmbeddedEvent[] = []
  const report = (event: EmbeddedEvent): void => void events.push(event)
  const before = {...process.env}

  beforeEach(async () => {
    folder = await tempFolder()
    events = []
    // The cache is not changed: the nats-server lies there.
    process.env['XDG_CONFIG_HOME'] = join(folder.path, 'config')
    process.env['XDG_STATE_HOME'] = join(folder.path, 'state')
  })

  afterEach(async () => {
    const ends = ['default', 'other'].map((name) =>
      downEmbedded({name, purge: true, clock: systemClock, report}).catch(() => undefined),
    )
    await Promise.all(ends)
    for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name)
    Object.assign(process.env, before)
    await folder[Symbol.asyncDispose]()
  })

  const state = async (): Promise<EmbeddedState> => {
    const found = await readState('default')
    if (found === undefined) throw new Error("There is no lattice 'default'.")
    return found
  }
  return {
    get path() {
      return folder.path
    },
    get events() {
      return events
    },
    up: (asked) => upEmbedded({...upDefaults, report, program: peerHost, ...asked}),
    down: (asked) => downEmbedded({name: 'default', purge: false, clock: systemClock, report, ...asked}),
    state,
    async kill(which) {
      const {server, hosts} = await state()
      const all = [...hosts, ...(server === undefined ? [] : [server])]
      for (const {pid, startTime} of which === 'all' ? all : all.slice(which, which + 1)) {
        if (pid === undefined || startTime === undefined) continue
        process.kill(pid, 'SIGKILL')
        await until(async () => !(await isRunning({pid, startTime})), 5000)
      }
    },
  }
}

const upDefaults = {
  name: 'default',
  port: 0,
  hosts: 1,
  ephemeral: false,
  allowFiles: [],
  allowedIssuers: [],
  offline: true,
  clock: systemClock,
  timeoutMs: 10_000,
} as const

/** Listens on a port of the loopback address until disposed. */
export async function occupy(port: number): Promise<AsyncDisposable> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {[Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve()))}
}
