import {cliIn, type Cli} from './cli.js'
import {freePort, startOperatorServer, type OperatorServer} from './nats-server.js'
import {tempFolder} from './temp.js'

/** A hub whose keys somebody else holds, and a user of one of its accounts. */
export interface LeafWorld extends AsyncDisposable {
  readonly hub: OperatorServer
  /** Where leaf nodes connect. */
  readonly remote: string
  /** Knows nothing but the user's credentials; its routes go to leaf nodes. */
  readonly cli: Cli
  /** Starts a leaf node in the background; where its callers connect. */
  leaf: (...argv: readonly string[]) => Promise<string>
}

/** Starts a hub in operator mode that takes leaf nodes; leaf nodes end when it is disposed. */
export async function startLeafWorld(): Promise<LeafWorld> {
  await using unlessStarted = new AsyncDisposableStack()
  const port = await freePort()
  const hub = unlessStarted.use(await startOperatorServer({config: `leafnodes {listen: "127.0.0.1:${port}"}`}))
  const folder = unlessStarted.use(await tempFolder())
  const cli = await cliIn(folder.path, {
    LATTICE_URL: hub.url,
    LATTICE_CREDS: hub.credsFile,
    LATTICE_DRIVER: 'leaf',
  })
  const remote = `nats-leaf://127.0.0.1:${port}`
  const names = new Set<string>()
  unlessStarted.defer(async () => {
    for (const name of names) await cli.run('leaf', 'stop', '--name', name, '--allow', 'in-use')
  })
  const leaf = async (...argv: readonly string[]): Promise<string> => {
    const at = argv.indexOf('--name')
    names.add(at < 0 ? 'default' : argv[at + 1]!)
    const {url} = await cli.ok<{url: string}>(
      ...['leaf', 'run', '--detach', '--listen', '127.0.0.1:0', '--remote', remote],
      ...argv,
    )
    return url
  }
  const ends = unlessStarted.move()
  return {hub, remote, cli, leaf, [Symbol.asyncDispose]: () => ends.disposeAsync()}
}
