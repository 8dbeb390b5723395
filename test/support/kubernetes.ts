import {randomUUID} from 'node:crypto'

import {readServers} from '../../src/lib/apply/account-state.js'
import {startConfigServers, type ConfigServers} from './config-servers.js'
import {startKubelets, type Kubelets} from './kubelets.js'
import {freePort} from './nats-server.js'
import type {PlainService} from './plain-service.js'
import {configEnv} from './route-env.js'

type Env = Readonly<Record<string, string | undefined>>

/** Three servers that mount one ConfigMap, and whoever may change it. */
export interface Kubernetes extends AsyncDisposable {
  readonly servers: ConfigServers
  readonly kubelets: Kubelets
  /** Where the servers' monitoring ports are, with commas between. */
  readonly monitors: string
  /** Credentials and the ConfigMap: no file of a server is there, and nothing can be reloaded. Records are new. */
  env: (more?: Env) => Env
  /** What the servers give the second version of a service, S0 first. */
  shares: (service: PlainService) => Promise<(number | undefined)[]>
}

export async function startKubernetes(): Promise<Kubernetes> {
  await using started = new AsyncDisposableStack()
  const ports = await Promise.all([0, 1, 2].map(() => freePort()))
  const servers = started.use(
    await startConfigServers({
      size: 3,
      mappings: 'mappings {\n  "theirs.get": "theirs.v1.get"\n}\n',
      system:
        '{user: watcher, password: watcher, permissions: {publish: ["$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.*"], subscribe: "_INBOX.>"}}',
      top: (index) => `http: "127.0.0.1:${ports[index]!}"`,
    }),
  )
  const watcher = await servers.systemContext('watcher')
  const kubelets = started.use(await startKubelets(servers.servers))
  const ends = started.move()
  return {
    servers,
    kubelets,
    monitors: ports.map((port) => `http://127.0.0.1:${port}`).join(','),
    env: (more = {}) => ({
      ...configEnv(servers),
      LATTICE_SYS_CONTEXT: watcher,
      LATTICE_SERVER_CONFIG: undefined,
      LATTICE_CONFIGMAP: kubelets.configMap,
      LATTICE_APPLY_WITH: kubelets.applyWith,
      LATTICE_STATE: `file:${servers.servers[0]!.dir}/${randomUUID()}.json`,
      ...more,
    }),
    shares: async ({source}) => {
      const views = await readServers({system: servers.system!, account: 'SHOP'})
      return views.map(({live}) => live!.table.get(source)?.find(({subject}) => subject.includes('.v2.'))?.weight)
    },
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}
