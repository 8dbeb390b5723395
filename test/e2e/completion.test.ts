import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {shells, type Shell} from '../../src/lib/completion/generate.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {cliIn, type Cli} from '../support/cli.js'
import {startFakeServer} from '../support/fake-server.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {scriptedHost} from '../support/scripted-host.js'
import {canDrive, startShell, type ShellSession} from '../support/shell-session.js'
import {tempFolder, type TempFolder} from '../support/temp.js'
import {until} from '../support/until.js'

let server: OperatorServer
let connection: Awaited<ReturnType<typeof openConnection>>
let host: ReturnType<typeof scriptedHost>
const echo = {key: createKey('M').publicKey, name: 'echo'}

beforeAll(async () => {
  server = await startOperatorServer()
  connection = await openConnection(server.spec('shop'))
  host = scriptedHost(connection, 'shop')
  await host.run({...echo, version: '1.0.0'})
  await host.run({key: createKey('M').publicKey, name: "the shop's actor", version: '0.1.0'})
})

afterAll(async () => {
  await connection.close()
  await server[Symbol.asyncDispose]()
})

interface Home extends AsyncDisposable {
  readonly cli: Cli
  readonly names: string
  shell: () => Promise<ShellSession>
}

/** A home with one context, and the script as a user would write it to a file. */
async function homeWith(shell: Shell, url: string): Promise<Home> {
  const folder: TempFolder = await tempFolder()
  const cli = await cliIn(folder.path)
  const config = cli.env['XDG_CONFIG_HOME']!
  await mkdir(join(config, 'nats', 'context'), {recursive: true})
  await mkdir(join(config, 'lattice', 'contexts'), {recursive: true})
  await writeFile(join(config, 'nats', 'context', 'shop.json'), JSON.stringify({url, creds: server.credsFile}))
  await writeFile(join(config, 'nats', 'context.txt'), 'shop')
  await writeFile(join(config, 'lattice', 'contexts', 'shop.json'), '{"lattice":"shop"}')
  const script = join(folder.path, 'script')
  await writeFile(script, (await cli.run('completion', shell)).stdout)
  return {
    cli,
    names: join(cli.env['XDG_CACHE_HOME']!, 'lattice', 'completion'),
    shell: () => startShell({shell, script, folder: folder.path, env: {...cli.env, LC_ALL: 'C.UTF-8'}}),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  }
}

async function written(folder: string): Promise<string> {
  const file = join(folder, 'names-context_shop')
  let text = ''
  await until(async () => (text = await readFile(file, 'utf8').catch(() => '')) !== '', 10_000)
  return text
}

describe.each(shells)('%s', (shell) => {
  const drive = test.skipIf(!canDrive(shell))

  drive(
    `offers what runs in the selected lattice, a moment after it was first asked (needs ${shell} and script)`,
    async () => {
      await using home = await homeWith(shell, server.url)
      await using session = await home.shell()
      expect(await session.type('lattice stop ecTAB')).toEqual(['stop', 'ec'])
      const text = await written(home.names)
      expect(await session.type('lattice stop echo@TAB')).toEqual(['stop', 'echo@1.0.0'])
      expect((await session.type('lattice entity inspect theTAB')).at(-1)).toMatch(/^the shop's actor/)
      expect(await session.type(`lattice host inspect ${host.id.slice(0, 6)}TAB`)).toEqual(['host', 'inspect', host.id])
      expect(await session.type('lattice stop -l shTAB')).toEqual(['stop', '-l', 'shop'])
      expect(text).not.toMatch(/BEGIN|SUA|eyJ/)
      expect(await readdir(home.names)).toEqual(['names-context_shop', 'names-context_shop.tried'])
    },
  )

  drive(`starts one process, which ends soon, where a server says nothing (needs ${shell} and script)`, async () => {
    let gone = 0
    await using silent = await startFakeServer((socket) => void socket.resume().once('close', () => gone++))
    await using home = await homeWith(shell, silent.url)
    await using session = await home.shell()
    for (let presses = 0; presses < 6; presses++) {
      const started = performance.now()
      expect(await session.type('lattice stop eTAB')).toEqual(['stop', 'e'])
      expect(performance.now() - started).toBeLessThan(1500)
      expect(session.screen()).not.toMatch(/rror|\[\d+\]|Done|onnect/)
    }
    // It comes, and goes soon.
    await until(() => silent.taken() > 0, 10_000)
    await until(() => gone === silent.taken(), 10_000)
    await until(async () => !(await readdir(home.names)).some((name) => name.endsWith('.lock')), 10_000)
    expect(await readdir(home.names)).toEqual(['names-context_shop.tried'])
  })
})

test('of several refreshes at once one asks, and all end well', async () => {
  await using home = await homeWith('bash', server.url)
  const asked = ['completion', 'refresh', '--file', 'names-context_shop', '--key', 'context=shop']
  const done = await Promise.all(Array.from({length: 4}, () => home.cli.ok<{changed: boolean}>(...asked)))
  expect(done.filter(({changed}) => changed).length).toBeGreaterThanOrEqual(1)
  expect(await written(home.names)).toContain('\nref\techo@1.0.0\tlive on 1 host\n')
  expect(await readdir(home.names)).toEqual(['names-context_shop'])
})
