import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {isDeepStrictEqual} from 'node:util'

import type {NatsConnection} from '@nats-io/transport-node'

import {ControlClient} from '../../src/lib/control/client.js'
import {readModuleClaims} from '../../src/lib/wasm/module.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {cliIn, type Cli} from './cli.js'
import {echoFolder, echoRef} from './host.js'
import {tempFolder} from './temp.js'
import {until} from './until.js'

/** An embedded lattice with one host, made and used through the command line; the context of it is selected. */
export interface Story extends AsyncDisposable {
  readonly cli: Cli
  readonly host: string
  /** Of the echo actor, both versions. */
  readonly key: string
  readonly spec: ConnectSpec
  /** Of the lattice's user. */
  readonly connection: NatsConnection
  /** Links echo to HTTP and waits until somebody listens; `host:port`. */
  serveHttp: () => Promise<string>
  /** Count of every version of echo that runs, dark ones as `2.0.0 dark`. */
  running: () => Promise<Record<string, number>>
  /** Makes both versions run with this count and take traffic; asks the host itself, which is quick. */
  shareEcho: (count: number) => Promise<void>
}

export interface StoryOptions {
  /** Modules may be opened here too. */
  readonly allowFiles?: string
}

/** Path of one version of the echo actor. */
export function echoModule(version: '1.0.0' | '2.0.0'): string {
  return join(echoFolder, `echo-${version}.wasm`)
}

/** Brings it up: `const story = await startStory()` in beforeAll; dispose it in afterAll. */
export async function startStory({allowFiles}: StoryOptions = {}): Promise<Story> {
  const folder = await tempFolder()
  const cli = await cliIn(folder.path)
  let nc: NatsConnection | undefined
  const dispose = async (): Promise<void> => {
    await nc?.close()
    await cli.run('down', '--purge')
    await folder[Symbol.asyncDispose]()
  }
  try {
    const {issuer, key} = readModuleClaims(await readFile(echoModule('1.0.0')), Date.now())
    const folders = [echoFolder, ...(allowFiles === undefined ? [] : [allowFiles])]
    const up = await cli.ok<{url: string; hosts: {id: string}[]}>(
      ...['up', '--ephemeral', '--port', '0', '--allowed-issuer', issuer],
      ...folders.flatMap((path) => ['--allow-files', path]),
    )
    const [context, system] = await Promise.all(
      ['lattice-default', 'lattice-default-sys'].map((name) =>
        cli.ok<{fields: {creds: string}; latticeFields: Record<string, string>}>('context', 'show', name),
      ),
    )
    const spec: ConnectSpec = {
      servers: [up.url],
      credentials: {kind: 'creds', file: context!.fields.creds},
      lattice: 'default',
      sysCreds: system!.fields.creds,
      operatorKeyFile: context!.latticeFields['operatorKeyFile']!,
      clusterSeedFile: context!.latticeFields['clusterSeedFile']!,
      protected: false,
      timeoutMs: 5000,
      connectTimeoutMs: 5000,
    }
    nc = await openConnection(spec)
    const control = new ControlClient(nc, {lattice: 'default', timeoutMs: 5000})
    const host = up.hosts[0]!.id
    const running = (): Promise<Record<string, number>> => readRunning(control, host)
    return {
      cli,
      host,
      key,
      spec,
      connection: nc,
      serveHttp: () => serveHttp(cli),
      running,
      shareEcho: async (count) => {
        const before = await running()
        for (const version of ['1.0.0', '2.0.0'] as const) {
          const ask = {key, ref: echoRef(version), version, count, dark: false}
          if ([version, `${version} dark`].some((name) => name in before)) await control.scaleActor(host, ask)
          else await control.startActor(host, {ref: ask.ref, count})
        }
        await until(async () => isDeepStrictEqual(await running(), {'1.0.0': count, '2.0.0': count}), 5000)
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function serveHttp(cli: Cli): Promise<string> {
  await cli.ok('start', 'builtin:httpserver')
  const contract = ['--contract', 'wasmcloud:httpserver']
  await cli.ok('link', 'put', 'echo', 'httpserver', ...contract, '--value', 'address=127.0.0.1:0')
  let address: string | undefined
  await until(async () => {
    const {providers} = await cli.ok<{providers: {links?: {address?: string}[]}[]}>('host', 'inspect')
    address = providers.flatMap(({links}) => links ?? [])[0]?.address
    return address !== undefined
  }, 10_000)
  return address!
}

async function readRunning(control: ControlClient, host: string): Promise<Record<string, number>> {
  const {actors} = await control.inventory(host)
  const instances = actors.flatMap((actor) => actor.instances)
  return Object.fromEntries(
    instances.map(({version = '?', dark, count}) => [`${version}${dark ? ' dark' : ''}`, count]),
  )
}
