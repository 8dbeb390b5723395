import {cliIn, type Cli, type Ended} from './cli.js'
import {freePort, startOperatorServer, type OperatorServer} from './nats-server.js'
import {tempFolder} from './temp.js'

/** A hub whose keys somebody else holds, and a user of one of its accounts. */
export interface LeafWorld extends AsyncDisposable {
  readonly hub: OperatorServer
  /** Where leaf nodes connect. */
  readonly remote: string
  /** Knows nothing but the user's credentials; its routes go to leaf nodes. */
  readonly cli: Cli
  /** The flags that a leaf node on this machine needs, for a shell. */
  readonly here: string
  /** A leaf node `default` that was started otherwise, and ends with the world; where its callers connect. */
  started: (ended: Pick<Ended, 'exitCode'>) => Promise<string>
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
  const started = async ({exitCode}: Pick<Ended, 'exitCode'>): Promise<string> => {
    names.add('default')
    const {leaves} = await cli.ok<{leaves: {name: string; url: string}[]}>('leaf', 'ls')
    const own = leaves.find(({name}) => name === 'default')
    if (exitCode !== 0 || own === undefined) throw new Error('No leaf node was started.')
    return own.url
  }
  const here = `--listen 127.0.0.1:-1 --remote ${remote}`
  const ends = unlessStarted.move()
  return {hub, remote, cli, here, leaf, started, [Symbol.asyncDispose]: () => ends.disposeAsync()}
}
