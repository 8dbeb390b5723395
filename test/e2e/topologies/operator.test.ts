import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {cliIn, type Cli} from '../../support/cli.js'
import {plainSpec, startHost} from '../../support/host.js'
import {createTestOperator, startNatsServer} from '../../support/nats-server.js'
import {echoModule} from '../../support/story.js'

const httpRequest = JSON.stringify({method: 'GET', path: '/', queryString: '', header: {}, body: ''})

/** All that needs a connection only: records, hosts, a start and a call. */
async function useLattice(cli: Cli, spec: ConnectSpec): Promise<void> {
  const [url = ''] = spec.servers
  await using host = await startHost({server: {url, spec: () => spec}, lattice: spec.lattice})
  await cli.ok('start', echoModule('1.0.0'))
  expect(await cli.ok('cache', 'ls', '--kind', 'claims')).toMatchObject({records: [{title: 'echo'}, {title: 'echo'}]})
  const clusterSeed = join(cli.folder, 'cluster.seed')
  await writeFile(clusterSeed, host.clusterKey.seed, {mode: 0o600})
  const call = ['call', 'echo', 'HttpServer.HandleRequest', httpRequest, '--cluster-seed-file', clusterSeed]
  expect(JSON.stringify(await cli.ok(...call))).toContain('1.0.0')
}

test('servers that keep tokens in memory serve everything; a route there is of something that runs', async () => {
  const {keys, tokens, creds, sysCreds} = createTestOperator()
  const {account, systemAccount, operatorSigning} = keys
  await using server = await startNatsServer({
    jetstream: true,
    config: [
      `operator: ${tokens.operator}`,
      `system_account: ${systemAccount.publicKey}`,
      'resolver: MEMORY',
      `resolver_preload {`,
      `  ${account.publicKey}: ${tokens.account}`,
      `  ${systemAccount.publicKey}: ${tokens.systemAccount}`,
      '}',
    ].join('\n'),
  })
  const files = {
    LATTICE_CREDS: join(server.dir, 'user.creds'),
    LATTICE_SYS_CREDS: join(server.dir, 'sys.creds'),
    LATTICE_OPERATOR_SEED_FILE: join(server.dir, 'operator.seed'),
  }
  const contents = [creds, sysCreds, operatorSigning.seed]
  await Promise.all(Object.values(files).map((path, index) => writeFile(path, contents[index]!, {mode: 0o600})))
  const cli = await cliIn(server.dir, {LATTICE_URL: server.url, ...files})
  await useLattice(cli, {...plainSpec(server.url, 'default'), credentials: {kind: 'creds', file: files.LATTICE_CREDS}})
  const failure = await cli.fails(4, 'route', 'ab', 'echo@1.0.0=100')
  expect(failure.message).toContain("No entity 'echo' runs")
})

test('accounts in the configuration, with user and password, serve everything but changes of routes', async () => {
  await using server = await startNatsServer({
    jetstream: true,
    config: `accounts {
      SHOP {jetstream: enabled, users: [{user: shop, password: "s3cret:%word"}]}
      OTHER {jetstream: enabled, users: [{user: other, password: other}]}
      SYS {users: [{user: sys, password: sys}]}
    }
    system_account: SYS`,
  })
  const environment = {LATTICE_URL: server.url, LATTICE_USER: 'shop', LATTICE_PASSWORD: 's3cret:%word'}
  const cli = await cliIn(server.dir, environment)
  await useLattice(cli, {
    ...plainSpec(server.url, 'default'),
    credentials: {kind: 'user', user: 'shop', password: environment.LATTICE_PASSWORD},
  })
  const failure = await cli.fails(11, 'route', 'ab', 'echo@1.0.0=100')
  expect(failure.message).toContain('not in operator mode')
  expect(JSON.stringify(failure)).not.toContain('s3cret')
  // The same names in another account are other records.
  const other = await cliIn(server.dir, {LATTICE_URL: server.url, LATTICE_USER: 'other', LATTICE_PASSWORD: 'other'})
  expect(await other.ok('cache', 'ls')).toMatchObject({records: []})
})
