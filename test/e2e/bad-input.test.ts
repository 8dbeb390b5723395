import {readFile, writeFile} from 'node:fs/promises'
import {createServer, type Server} from 'node:net'
import {once} from 'node:events'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import CacheGet from '../../src/commands/cache/get.js'
import RouteAb from '../../src/commands/route/ab.js'
import RouteBluegreen from '../../src/commands/route/bluegreen.js'
import Scale from '../../src/commands/scale.js'
import Start from '../../src/commands/start.js'
import Stop from '../../src/commands/stop.js'
import {createKey} from '../../src/lib/keys/nkey.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {writeContext} from '../../src/lib/nats/context-files.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import {readModuleClaims, signModule} from '../../src/lib/wasm/module.js'
import {cliIn, type Failure} from '../support/cli.js'
import {echoFolder, echoRef, startHost, type TestHost} from '../support/host.js'
import {
  freePort,
  startNatsServer,
  startOperatorServer,
  type OperatorServer,
  type TestServer,
} from '../support/nats-server.js'
import {run} from '../support/run.js'
import {storedTokens} from '../support/stored-tokens.js'
import {echoModule} from '../support/story.js'

type Command = Parameters<typeof run>[0]

/** Lattices by how many versions of echo run there; all but the first are dark. */
const lattices = {one: 1, two: 2, three: 3} as const

let server: OperatorServer
let plain: TestServer
let withoutJetStream: OperatorServer
let silent: Server
let hosts: TestHost[] = []
let env: Record<string, string | undefined>
const files = {unsigned: '', tampered: '', truncated: '', otherOperator: '', notASeed: ''}

beforeAll(async () => {
  ;[server, plain, withoutJetStream] = await Promise.all([
    startOperatorServer(),
    startNatsServer(),
    startOperatorServer({jetstream: false}),
  ])
  silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  env = {...reach(server), LATTICE_CONTEXT: undefined, XDG_CONFIG_HOME: join(server.dir, 'config')}
  process.env['XDG_CONFIG_HOME'] = env['XDG_CONFIG_HOME']
  await writeContext('keyless', {url: server.url, creds: server.credsFile}, {lattice: 'two'})
  const third = await writeFiles(server.dir)
  for (const [lattice, count] of Object.entries(lattices)) {
    const host = await startHost({server, lattice, allowFiles: [echoFolder, server.dir]})
    hosts.push(host)
    for (const [index, ref] of [echoRef('1.0.0'), echoRef('2.0.0'), third].slice(0, count).entries()) {
      host.clear()
      await host.client.startActor(host.id, {ref, count: 1, dark: index > 0})
      await host.event('actors_started')
    }
  }
})

afterAll(async () => {
  silent.close()
  for (const host of hosts) await host[Symbol.asyncDispose]()
  hosts = []
  await Promise.all([server, plain, withoutJetStream].map((one) => one[Symbol.asyncDispose]()))
})

/** What a command needs to change routes on a server. */
function reach({url, credsFile, sysCredsFile, operatorKeyFile}: OperatorServer): Record<string, string> {
  return {
    LATTICE_URL: url,
    LATTICE_CREDS: credsFile,
    LATTICE_SYS_CREDS: sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: operatorKeyFile,
  }
}

/** Writes modules and keys that are wrong, and a third version of echo; its reference. */
async function writeFiles(dir: string): Promise<string> {
  const signed = await readFile(echoModule('2.0.0'))
  const {key} = readModuleClaims(signed, Date.now())
  const write = async (name: string, bytes: Uint8Array | string): Promise<string> => {
    await writeFile(join(dir, name), bytes, {mode: 0o600})
    return join(dir, name)
  }
  files.unsigned = await write('unsigned.wasm', Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))
  const tampered = Uint8Array.from(signed)
  tampered[tampered.length >> 1]! ^= 1
  files.tampered = await write('tampered.wasm', tampered)
  files.truncated = await write('truncated.wasm', signed.subarray(0, signed.length - 40))
  files.otherOperator = await write('other.seed', createKey('O').seed)
  files.notASeed = await write('no.seed', 'SOAAA\n')
  const claims = {key, issuer: createKey('A'), name: 'echo', version: '3.0.0', issuedAt: Math.floor(Date.now() / 1000)}
  return `file://${await write('echo-3.0.0.wasm', signModule(signed, claims))}`
}

/** All that a command could change: the stored account token, every bucket, and what runs. */
async function world(): Promise<unknown> {
  const spec = server.spec('two')
  await using system = await SystemClient.open(spec)
  const nc = await openConnection(spec)
  try {
    const account = server.account.publicKey
    const listed = (await nc.request('$JS.API.STREAM.LIST', '{}')).json<{
      streams: {config: {name: string}; state: {messages: number; last_seq: number}}[] | null
    }>()
    const streams = (listed.streams ?? []).map(({config, state}) => [config.name, state.messages, state.last_seq])
    return {
      tokens: await storedTokens(system, account),
      streams: streams.sort(),
      running: await Promise.all(hosts.map(({client, id}) => client.inventory(id).then(({actors}) => actors))),
    }
  } finally {
    await nc.close()
  }
}

interface BadInput {
  readonly what: string
  readonly command: Command
  readonly argv: () => readonly string[]
  readonly env?: () => Readonly<Record<string, string | undefined>>
  readonly exit: number
  readonly kind: string
  readonly says: RegExp
  readonly suggests?: string
}

const inLattice =
  (lattice: keyof typeof lattices, ...argv: string[]) =>
  (): string[] => [...argv, '-l', lattice]

const table: readonly BadInput[] = [
  {
    what: 'weights that do not sum to 100',
    command: RouteAb,
    argv: inLattice('two', '70/40'),
    exit: 2,
    kind: 'usage',
    says: /^The weights 70\/40 sum to 110, not to 100\.$/,
  },
  {
    what: 'legs that do not sum to 100',
    command: RouteAb,
    argv: inLattice('two', 'echo@1.0.0=70', 'echo@2.0.0=20'),
    exit: 2,
    kind: 'usage',
    says: /sum to 90, not to 100\.$/,
  },
  {
    what: '70/30 with three versions',
    command: RouteAb,
    argv: inLattice('three', '70/30'),
    exit: 3,
    kind: 'ambiguous',
    says: /^'echo' runs in 3 versions \(1\.0\.0, 2\.0\.0, 3\.0\.0\)/,
    suggests: 'lattice route ab echo@1.0.0=70 echo@2.0.0=30 --lattice three',
  },
  {
    what: '70/30 with one version',
    command: RouteAb,
    argv: inLattice('one', '70/30'),
    exit: 4,
    kind: 'notFound',
    says: /^Nothing in lattice 'one' runs in two versions, so there is nothing to split\.$/,
  },
  {
    what: '70/30 of an entity with one version',
    command: RouteAb,
    argv: inLattice('one', '70/30', '--entity', 'echo'),
    exit: 4,
    kind: 'notFound',
    says: /^'echo' runs in version 1\.0\.0 only/,
  },
  {
    what: 'an unknown entity, in a route',
    command: RouteAb,
    argv: inLattice('two', '70/30', '--entity', 'ecko'),
    exit: 4,
    kind: 'notFound',
    says: /^No entity 'ecko' runs in lattice 'two'\.$/,
    suggests: 'echo',
  },
  {
    what: 'an unknown entity, in a stop',
    command: Stop,
    argv: inLattice('two', 'ecko@1.0.0'),
    exit: 4,
    kind: 'notFound',
    says: /^No entity 'ecko@1\.0\.0' runs in lattice 'two'\.$/,
    suggests: 'echo@1.0.0',
  },
  {
    what: 'a split with a version nobody runs',
    command: RouteAb,
    argv: inLattice('two', 'echo@1.0.0=50', 'echo@9.0.0=50'),
    exit: 9,
    kind: 'unsafe',
    says: /^Nobody runs 'echo@9\.0\.0'\.$/,
  },
  {
    what: 'a cutover to a version nobody runs',
    command: RouteBluegreen,
    argv: inLattice('two', 'echo', '--to', '9.0.0'),
    exit: 9,
    kind: 'unsafe',
    says: /^Nobody runs 'echo@9\.0\.0'\.$/,
  },
  {
    what: 'a scale of a version nobody runs',
    command: Scale,
    argv: inLattice('two', 'echo', '--version', '9.0.0', '--count', '2'),
    exit: 4,
    kind: 'notFound',
    says: /^'echo@9\.0\.0' does not run\.$/,
    suggests: 'echo@1.0.0',
  },
  {
    what: 'an unsigned module',
    command: Start,
    argv: () => inLattice('one', files.unsigned)(),
    exit: 9,
    kind: 'unsafe',
    says: /^The module .*is refused: .*\.$/,
  },
  {
    what: 'a tampered module',
    command: Start,
    argv: () => inLattice('one', files.tampered, '--dark')(),
    exit: 9,
    kind: 'unsafe',
    says: /^The module .*is refused: .*\.$/,
  },
  {
    what: 'a truncated module',
    command: Start,
    argv: () => inLattice('one', files.truncated, '--dark')(),
    exit: 9,
    kind: 'unsafe',
    says: /^The module .*is refused: .*\.$/,
  },
  {
    what: 'an unsigned module by a reference that only the host reads',
    command: Start,
    argv: () => inLattice('one', `file://${files.unsigned}`, '--dark')(),
    exit: 9,
    kind: 'unsafe',
    says: /^The module .*is refused: .*\.$/,
  },
  {
    what: 'a lattice name with a dot',
    command: RouteAb,
    argv: () => ['70/30', '-l', 'a.b'],
    exit: 2,
    kind: 'usage',
    says: /^"a\.b" is not a lattice name/,
    suggests: '--lattice a-b',
  },
  {
    what: 'a lattice name with a dot in the environment',
    command: RouteAb,
    argv: () => ['70/30'],
    env: () => ({LATTICE_LATTICE: 'a.b'}),
    exit: 2,
    kind: 'usage',
    says: /^"a\.b" is not a lattice name/,
  },
  {
    what: 'no operator key',
    command: RouteAb,
    argv: inLattice('two', '70/30'),
    env: () => ({LATTICE_OPERATOR_SEED_FILE: undefined}),
    exit: 11,
    kind: 'connection',
    says: /^An operator signing key is needed and none is known\.$/,
    suggests: '--operator-seed-file FILE (or LATTICE_OPERATOR_SEED_FILE)',
  },
  {
    what: 'no operator key in the context',
    command: RouteAb,
    argv: inLattice('two', '70/30', '--context', 'keyless'),
    env: () => ({LATTICE_OPERATOR_SEED_FILE: undefined}),
    exit: 11,
    kind: 'connection',
    says: /^An operator signing key is needed and none is known\.$/,
    suggests: `"operatorKeyFile" in the lattice part of context 'keyless'`,
  },
  {
    what: 'the key of another operator',
    command: RouteAb,
    argv: inLattice('two', '70/30'),
    env: () => ({LATTICE_OPERATOR_SEED_FILE: files.otherOperator}),
    exit: 11,
    kind: 'connection',
    says: /^The operator key 'O\w{55}' cannot sign for this account: .*\.$/,
  },
  {
    what: 'a file that holds no operator key',
    command: RouteAb,
    argv: inLattice('two', '70/30'),
    env: () => ({LATTICE_OPERATOR_SEED_FILE: files.notASeed}),
    exit: 11,
    kind: 'connection',
    says: /operator key file/,
  },
  {
    what: 'a server without JetStream, for a route',
    command: RouteAb,
    argv: inLattice('two', '70/30'),
    env: () => reach(withoutJetStream),
    exit: 11,
    kind: 'connection',
    says: /JetStream/,
  },
  {
    what: 'a server without JetStream, for a record',
    command: CacheGet,
    argv: () => ['claims', 'echo', '-s', plain.url],
    env: () => ({LATTICE_CREDS: undefined}),
    exit: 11,
    kind: 'connection',
    says: /JetStream/,
  },
]

describe.each([['', []] as const, [' with --json', ['--json']] as const])(
  'refused before anything changes%s',
  (_name, form) => {
    test.each(table)('$what: exit $exit', async ({command, argv, env: more, exit, kind, says, suggests}) => {
      const before = await world()
      const ended = await run(command, [...argv(), ...form], {...env, ...more?.()})
      expect(ended).toMatchObject({exitCode: exit})
      if (form.length === 0) {
        expect(ended.stdout).toBe('')
        const [first = '', ...rest] = ended.stderr.split('\n')
        expect(first.replace('Error: ', '')).toMatch(says)
        if (suggests !== undefined) expect(rest).toContain(`  ${suggests}`)
      } else {
        expect(ended.stderr).toBe('')
        const {error} = ended.json() as Failure
        expect(error).toMatchObject({kind, message: expect.stringMatching(says) as string})
        // One sentence.
        expect(error.message).not.toContain('\n')
        if (suggests !== undefined) expect(error.suggestions).toContain(suggests)
      }
      expect(await world()).toEqual(before)
    })
  },
)

test.each([
  ['nobody listens', async () => `nats://127.0.0.1:${await freePort()}`],
  ['somebody listens and says nothing', () => Promise.resolve(`nats://127.0.0.1:${portOf(silent)}`)],
])('where %s, every command exits 11 within its timeout', async (_what, url) => {
  const cli = await cliIn(join(server.dir, 'nobody'))
  const where = ['-s', await url(), '--timeout', '1s']
  const commands = [
    ['route', 'ab', '70/30'],
    ['stop', 'echo'],
    ['cache', 'get', 'claims', 'echo'],
    ['host', 'ls'],
  ]
  for (const words of commands) {
    const ended = await cli.run(...words, ...where, '--json')
    expect({words, exitCode: ended.exitCode}).toEqual({words, exitCode: 11})
    expect((ended.json() as Failure).error.message).toMatch(/^Cannot connect to .*: .*\.$/)
    expect(ended.tookMs).toBeLessThan(1500)
  }
})

function portOf(listening: Server): number {
  const address = listening.address()
  if (address === null || typeof address === 'string') throw new Error('It does not listen on a port.')
  return address.port
}
