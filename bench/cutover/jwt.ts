import {SystemClient} from '../../src/lib/nats/system.js'
import {editToken, readAccountToken} from '../../src/lib/routing/account-jwt.js'
import {startOperatorCluster, startOperatorServer, type OperatorServer} from '../../test/support/nats-server.js'
import {openRoutes} from '../../test/support/routes.js'
import {exportingAccount, importServices} from '../../test/support/second-account.js'
import {writeUser} from '../../test/support/users.js'
import {farLegs, loadTasks, type World} from './world.ts'

/** Servers in operator mode, on an account that is thrown away: its tokens may be issued ahead of the clock. */
export async function startJwt(size: number, rate: number): Promise<World> {
  await using unlessStarted = new AsyncDisposableStack()
  const servers = await startServers(size, unlessStarted)
  const [first] = servers
  if (first === undefined) throw new Error('There is no server.')
  const exporter = await exportingAccount(first, farLegs)
  const farCreds = await writeUser(first.dir, exporter)
  await importServices(first, exporter, farLegs)
  const system = unlessStarted.use(await SystemClient.open(first.spec()))
  const spec = {...first.spec(), servers: servers.map(({url}) => url)}
  const ends = unlessStarted.move()
  const at = (creds: string): {url: string; creds: string}[] => servers.map(({url}) => ({url, creds}))
  return {
    name: `jwt × ${size}`,
    tasks: loadTasks(rate, {callers: at(first.credsFile), workers: at(first.credsFile), farWorkers: at(farCreds)}),
    open: () => openRoutes(spec, {secondsAhead: Infinity}),
    env: {
      LATTICE_URL: spec.servers.join(','),
      LATTICE_CREDS: first.credsFile,
      LATTICE_SYS_CREDS: first.sysCredsFile,
      LATTICE_OPERATOR_SEED_FILE: first.operatorKeyFile,
    },
    bare: () => barePush(system, {server: first, size}),
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

async function startServers(size: number, ends: AsyncDisposableStack): Promise<readonly OperatorServer[]> {
  return size === 1 ? [ends.use(await startOperatorServer())] : ends.use(await startOperatorCluster(size)).servers
}

/** Signs a token with one other source changed, sends it, and waits for the answer of every server. */
async function barePush(
  system: SystemClient,
  {server, size}: {readonly server: OperatorServer; readonly size: number},
): Promise<number> {
  const lookup = `$SYS.REQ.ACCOUNT.${server.account.publicKey}.CLAIMS.LOOKUP`
  const [stored] = await system.request(lookup, '', {expect: 1})
  const token = readAccountToken(stored!.string())
  const destinations = [{subject: `bench.bare.v${token.issuedAt % 2}`, weight: 100}]
  const edit = {change: [{source: 'bench.bare', destinations}], issuedAt: token.issuedAt + 1}
  const text = editToken(token, edit, server.operatorSigning)
  const started = performance.now()
  await system.request('$SYS.REQ.CLAIMS.UPDATE', text, {expect: size})
  return performance.now() - started
}
