import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import {parseVersion} from '../../../src/lib/entity/version.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {readAccountToken} from '../../../src/lib/routing/account-jwt.js'
import {sourceOf} from '../../../src/lib/routing/source.js'
import {parseSplit} from '../../../src/lib/routing/weights.js'
import {startNatsServer, waitForJetStream} from '../../support/nats-server.js'
import {changeToken, writeNscStore} from '../../support/nsc-store.js'
import {startResolvers} from '../../support/resolver-servers.js'
import {openRoutes, serveVersion, testActor, type TestRoutes} from '../../support/routes.js'
import {tempFolder} from '../../support/temp.js'

const versions = ['1.0.0', '2.0.0'].map(parseVersion)

async function serve(opened: TestRoutes, lattice: string): Promise<ReturnType<typeof testActor>> {
  const actor = testActor()
  for (const version of versions) serveVersion(opened.connection, {lattice, entity: actor.entity, version})
  await opened.connection.flush()
  return actor
}

test('a route on servers that keep no tokens says what it does not outlive, and how it would', async () => {
  await using started = await startResolvers(['memory'], {jetstream: true})
  await using opened = await openRoutes(started.spec('durable'))
  const {ref} = await serve(opened, 'durable')
  const change = await opened.routes.split(parseSplit(['70/30']), {entity: ref, versions})
  expect(change).toMatchObject({
    state: 'live',
    servers: {applied: 1, total: 1},
    durability: {
      kind: 'memory',
      servers: ['memory-0'],
      step: expect.stringContaining('resolver_preload') as string,
    },
  })
  expect(change.warnings?.join(' ')).toContain('a restart or a reload brings the old routes back')
  expect(JSON.stringify(change)).not.toMatch(/eyJ/)
})

test('a route of an operator of nsc is in its store, and verify tells what a push from there would undo', async () => {
  await using folder = await tempFolder()
  const store = await writeNscStore({storeRoot: join(folder.path, 'stores'), keystore: join(folder.path, 'keys')})
  await using server = await startNatsServer({config: store.serverConfig, jetstream: true})
  const spec: ConnectSpec = {
    servers: [server.url],
    credentials: {kind: 'creds', file: store.user.credsFile},
    nscStore: store.folder,
    lattice: 'stored',
    protected: false,
    timeoutMs: 5000,
    connectTimeoutMs: 5000,
  }
  await waitForJetStream({spec: () => spec})
  await using opened = await openRoutes(spec)
  const {entity, ref} = await serve(opened, 'stored')
  await opened.routes.split(parseSplit(['70/30']), {entity: ref, versions})
  const file = join(store.folder, 'accounts', 'APP', 'APP.jwt')
  const stored = await readFile(file, 'utf8')
  expect(readAccountToken(stored).mappings[sourceOf('stored', entity)]).toHaveLength(2)
  expect((await opened.routes.verify(ref, {})).drift).toBeUndefined()

  await writeFile(file, changeToken(stored, store.keys.operatorSigning, {mappings: {}}))
  expect((await opened.routes.verify(ref, {})).drift).toMatch(
    /in which 1 of lattice's mappings is not as on the servers\.$/,
  )
  // What only lattice made is put right by the next change.
  await opened.routes.split(parseSplit(['50/50']), {entity: ref, versions})
  expect((await opened.routes.verify(ref, {})).drift).toBeUndefined()
  await writeFile(file, changeToken(await readFile(file, 'utf8'), store.keys.operatorSigning, {description: 'edited'}))
  await expect(opened.routes.split(parseSplit(['70/30']), {entity: ref, versions})).rejects.toMatchObject({
    kind: 'conflict',
    message: expect.stringContaining("The nsc store 'OPS' has a token of account 'APP'") as string,
  })
})
