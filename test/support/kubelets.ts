import {mkdir, readFile, readlink, rename, rm, symlink, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'

import type {ConfigServer} from './config-servers.js'
import {tempFolder} from './temp.js'

/** One pod's kubelet and reloader. */
export interface Kubelet {
  /** How long the new file takes to arrive, in milliseconds; undefined: it never does. */
  readonly afterMs?: number | undefined
  /** What becomes of the file on the way. */
  readonly spoil?: (text: string) => string
  /** True: its server is told to reload once before the file is there, as when the chart's own file changes. */
  readonly early?: boolean
}

/** Plays a cluster whose servers mount one ConfigMap. */
export interface Kubelets extends AsyncDisposable {
  /** For `--configmap`. */
  readonly configMap: string
  /** For `--apply-with`. */
  readonly applyWith: string
  /** From now on pods get the file so; one a server. */
  behave: (kubelets: readonly Kubelet[]) => void
  /** What the cluster holds. */
  stored: () => Promise<string | undefined>
}

const program = fileURLToPath(new URL('kubectl-program.ts', import.meta.url))
const file = 'lattice-mappings.conf'

/** Mounts the servers' files of mappings as a kubelet does: the file leads to `..data`, which leads to a folder that is replaced. */
export async function startKubelets(servers: readonly ConfigServer[]): Promise<Kubelets> {
  const cluster = await tempFolder()
  const path = join(cluster.path, 'nats', 'lattice-mappings.json')
  await Promise.all(servers.map(({mappings}) => mount(mappings)))
  const stored = async (): Promise<string | undefined> => {
    const text = await readFile(path, 'utf8').catch(() => undefined)
    return text === undefined ? undefined : (JSON.parse(text) as {data: Record<string, string>}).data[file]
  }
  let kubelets: readonly Kubelet[] = servers.map(() => ({afterMs: 0}))
  const over = new AbortController()
  const running = Promise.all(
    servers.map((server, index) => serve(server, {stored, how: () => kubelets[index]!, over})),
  )
  return {
    configMap: 'nats/lattice-mappings',
    applyWith: `'${process.execPath}' '${program}' '${cluster.path}'`,
    behave: (wanted) => {
      kubelets = wanted
    },
    stored,
    [Symbol.asyncDispose]: async () => {
      over.abort()
      await running
      await cluster[Symbol.asyncDispose]()
    },
  }
}

interface Serving {
  readonly stored: () => Promise<string | undefined>
  readonly how: () => Kubelet
  readonly over: AbortController
}

/** Brings each new file to one server, when its time has come, and tells the server. */
async function serve(server: ConfigServer, {stored, how, over}: Serving): Promise<void> {
  let present = await stored()
  let seen: {readonly text: string; readonly at: number} | undefined
  let early = false
  while (!over.signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    const text = await stored()
    const {afterMs, spoil = (same: string) => same, early: first = false} = how()
    if (text === undefined || text === present) continue
    if (seen?.text !== text) {
      seen = {text, at: Date.now()}
      early = first
    }
    if (early) process.kill(server.pid, 'SIGHUP')
    early = false
    if (afterMs === undefined || Date.now() - seen.at < afterMs) continue
    await swap(server.mappings, spoil(text))
    process.kill(server.pid, 'SIGHUP')
    present = text
  }
}

async function mount(path: string): Promise<void> {
  const text = await readFile(path, 'utf8')
  await rm(path)
  await swap(path, text)
  await symlink(join('..data', file), path)
}

let count = 0

/** All files of a volume change at once, because one link does. */
async function swap(path: string, text: string): Promise<void> {
  const folder = dirname(path)
  const next = `..2026_${++count}`
  const data = join(folder, '..data')
  await mkdir(join(folder, next))
  await writeFile(join(folder, next, file), text)
  const former = await readlink(data).catch(() => undefined)
  await symlink(next, `${data}_tmp`)
  await rename(`${data}_tmp`, data)
  if (former !== undefined) await rm(join(folder, former), {recursive: true})
}
