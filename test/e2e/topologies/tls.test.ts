import {afterAll, beforeAll, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {openWire} from '../../support/breakable-wire.js'
import {createAuthority, type CertificateFiles, type TestAuthority} from '../../support/certificates.js'
import {startHost} from '../../support/host.js'
import {scriptedHost} from '../../support/scripted-host.js'
import {echoModule} from '../../support/story.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'
import {clusterOf, startTopology, type Topology} from '../../support/topology.js'

const httpRequest = JSON.stringify({method: 'GET', path: '/', queryString: '', header: {}, body: ''})

let folder: TempFolder
let world: Topology
let authority: TestAuthority
let client: CertificateFiles
let ca: string

/** The `tls` block of a server's configuration. */
function tlsBlock({cert, key, ca}: CertificateFiles, more = ''): string {
  return `tls {cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}", timeout: 5${more}}`
}

beforeAll(async () => {
  folder = await tempFolder()
  authority = await createAuthority(folder.path)
  ca = authority.ca
  client = await authority.client({subject: 'lattice'})
  const server = await authority.server()
  world = await startTopology(
    {
      private: {config: tlsBlock(server)},
      client: {config: tlsBlock(server, ', verify: true')},
      first: {config: tlsBlock(server, ', handshake_first: true')},
    },
    {
      tls: (name) => ({
        ...(name === 'client' ? client : {ca}),
        ...(name === 'first' ? {handshakeFirst: true} : {}),
      }),
    },
  )
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

test.each(['private', 'first'])('records are read and written where it is %s', async (context) => {
  await world.cli.ok('cache', 'put', 'key', 'owner', '"shop"', '--context', context)
  expect(await world.cli.ok('cache', 'get', 'key', 'owner', '--context', context)).toMatchObject({value: 'shop'})
})

test('with client certificates hosts, calls and routes work too', async () => {
  const ok = (...argv: readonly string[]): Promise<object> => world.cli.ok(...argv, '--context', 'client')
  await using host = await startHost({server: world.server('client'), lattice: 'default'})
  await ok('start', echoModule('1.0.0'))
  const [list, call, route] = await Promise.all([
    ok('host', 'ls'),
    ok('call', 'echo', 'HttpServer.HandleRequest', httpRequest),
    ok('route', 'bluegreen', 'echo', '--to', '1.0.0'),
  ])
  expect(list).toMatchObject({hosts: [{id: host.id}]})
  expect(JSON.stringify(call)).toContain('1.0.0')
  expect(route).toMatchObject({servers: {applied: 1, total: 1, names: ['client']}})
})

test.each([
  ['private', 'issued by'],
  ['client', 'client certificate'],
  ['first', 'TLS before anything else'],
] as const)('a context without what %s needs fails with its reason', async (name, reason) => {
  const {url, credsFile: creds} = world.server(name)
  // The authority is what the others lack least.
  await world.context('lacking', {url, creds, ...(name === 'client' ? {ca} : {})})
  const failure = await world.cli.fails(11, 'cache', 'ls', '--context', 'lacking')
  expect(failure.message).toContain(reason)
})

test('when a server dies, its cluster is trusted by the name that was given', async () => {
  // No certificate is for an address, and the other servers are known by their addresses only.
  const server = await authority.server({names: ['localhost']})
  const config = tlsBlock(server, ', verify: true')
  const definitions = Object.entries(await clusterOf('named', 2, () => config))
  await using cluster = await startTopology(
    Object.fromEntries(definitions.map(([name, options]) => [name, {...options, jetstream: false}])),
    {tls: () => client},
  )
  const [dies, stays] = [cluster.server('named-0'), cluster.server('named-1')]
  const at = {servers: [stays.url.replace('127.0.0.1', 'localhost')]}
  const connection = await openConnection({...stays.spec(), ...at})
  try {
    const host = scriptedHost(connection, 'default')
    await connection.flush()
    await using wire = await openWire(dies.port)
    wire.breakAt('.ping.hosts', 'request', () => dies.kill())
    const url = wire.url.replace('127.0.0.1', 'localhost')
    const ended = await cluster.cli.run('host', 'ls', '--json', '--context', 'named-0', '--server', url)
    expect(ended).toMatchObject({exitCode: 0, stderr: ''})
    expect(ended.json()).toMatchObject({hosts: [{id: host.id}]})
  } finally {
    await connection.close()
  }
})
