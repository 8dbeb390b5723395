import {readFile, writeFile} from 'node:fs/promises'

import {ControlClient} from '../../src/lib/control/client.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import {Routes} from '../../src/lib/routes/routes.js'
import {startConfigServers, type ConfigServers} from '../../test/support/config-servers.js'
import {waitForJetStream} from '../../test/support/nats-server.js'
import {farLegs, loadTasks, type LoadUser, type World} from './world.ts'

/** Servers whose accounts stand in configuration files, one each. */
export async function startConfig(size: number, rate: number): Promise<World> {
  await using unlessStarted = new AsyncDisposableStack()
  const exports = farLegs.map((subject) => `{service: "${subject}"}`).join(', ')
  const imports = farLegs.map((subject) => `{service: {account: FAR, subject: "${subject}"}}`).join(', ')
  const all = unlessStarted.use(
    await startConfigServers({
      size,
      jetstream: true,
      account: `jetstream: enabled, imports: [${imports}]`,
      accounts: `FAR { users: [{user: far, password: far}], exports: [${exports}] }`,
      mappings: 'mappings { "bench.bare": "bench.bare.v0" }',
    }),
  )
  await Promise.all(all.servers.map((_, index) => waitForJetStream({spec: () => all.spec('app', index)})))
  const ends = unlessStarted.move()
  const at = (user: string): LoadUser[] => all.servers.map(({url}) => ({url, user}))
  return {
    name: `config × ${size}`,
    tasks: loadTasks(rate, {callers: at('app'), workers: at('app'), farWorkers: at('far')}),
    open: () => open(all),
    env: {
      LATTICE_URL: all.servers.map(({url}) => url).join(','),
      LATTICE_USER: 'app',
      LATTICE_PASSWORD: 'app',
      LATTICE_SYS_CONTEXT: all.spec().sysContext!,
      LATTICE_SERVER_CONFIG: all.mains.join(','),
    },
    bare: () => bareReload(all),
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

async function open(all: ConfigServers): Promise<{readonly routes: Routes} & AsyncDisposable> {
  const spec = {...all.spec(), servers: all.servers.map(({url}) => url)}
  const [connection, system] = await Promise.all([openConnection(spec), SystemClient.open(spec)])
  const control = new ControlClient(connection, {lattice: spec.lattice, timeoutMs: spec.timeoutMs})
  const access = {files: all.mains}
  return {
    routes: await Routes.open({connection, spec, control, system: () => Promise.resolve(system), access}),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([system[Symbol.asyncDispose](), connection.close()])
    },
  }
}

/** Rewrites each server's file with one other mapping, and lets it reload; one server after the other, as an operator would. */
async function bareReload({servers, system}: ConfigServers): Promise<number> {
  const known = await system!.servers()
  const started = performance.now()
  for (const {name, mappings} of servers) {
    const text = await readFile(mappings, 'utf8')
    const other = text.replace(/bench\.bare\.v(\d)/, (_, digit) => `bench.bare.v${1 - Number(digit)}`)
    if (other === text) throw new Error('There is no mapping to change.')
    await writeFile(mappings, other)
    const {id} = known.find((one) => one.name === name)!
    const [reply] = await system!.request(`$SYS.REQ.SERVER.${id}.RELOAD`, '', {expect: 1})
    if (reply === undefined || reply.string().includes('"error"'))
      throw new Error(`No reload: ${reply?.string() ?? ''}`)
  }
  return performance.now() - started
}
