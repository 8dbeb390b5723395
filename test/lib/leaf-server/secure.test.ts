import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import {createKey, parseSeed} from '../../../src/lib/keys/nkey.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../../src/lib/nats/spec.js'
import {createAuthority} from '../../support/certificates.js'
import {askMany, readLeaf, runLeafNode, tellLeaf} from '../../support/leaf-node.js'
import {freePort, startNatsServer} from '../../support/nats-server.js'
import {serveSubjects} from '../../support/services.js'
import {tempFolder} from '../../support/temp.js'

const base = {lattice: 'default', protected: false, timeoutMs: 5000, connectTimeoutMs: 5000}

test('it connects by TLS with a client certificate, and is told so when the authority is another', async () => {
  await using folder = await tempFolder()
  const authority = await createAuthority(folder.path)
  const [server, client] = await Promise.all([authority.server(), authority.client()])
  const port = await freePort()
  const tls = `tls {cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${server.ca}", verify: true}`
  await using hub = await startNatsServer({
    config: `
leafnodes {listen: "127.0.0.1:${port}", ${tls}}
${tls}
accounts {SHOP {users: [{user: app, password: "p@ss/w:rd"}]}}`,
  })
  const spec: ConnectSpec = {
    ...base,
    servers: [hub.url.replace('nats:', 'tls:')],
    credentials: {kind: 'user', user: 'app', password: 'p@ss/w:rd'},
    tls: {ca: authority.ca, cert: client.cert, key: client.key},
  }
  const remotes = [`tls://127.0.0.1:${port}`]
  await using leaf = await runLeafNode(spec, {remotes, sources: ['orders.get']})
  const nc = await openConnection(spec)
  try {
    serveSubjects(nc, ['orders.get.v1', 'orders.get.v2'])
    const key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
    expect(await tellLeaf(nc, {key, to: leaf.id})).toHaveProperty('state')
    expect(Object.keys(await askMany(leaf.url, 'orders.get', 100)).sort()).toEqual(['orders.get.v1', 'orders.get.v2'])
    expect(JSON.stringify(leaf.reports)).not.toContain('w:rd')
  } finally {
    await nc.close()
  }
  const other = await createAuthority(folder.path)
  const plain = {...spec, timeoutMs: 1500}
  // The connection of its agent is right, that of its server is to another place.
  const [foreign, elsewhere] = await Promise.all([other.server(), freePort()])
  await using strange = await startNatsServer({
    config: `leafnodes {listen: "127.0.0.1:${elsewhere}", tls {cert_file: "${foreign.cert}", key_file: "${foreign.key}"}}`,
  })
  expect(strange.port).toBeGreaterThan(0)
  const refused = runLeafNode(plain, {remotes: [`tls://127.0.0.1:${elsewhere}`]})
  await expect(refused).rejects.toMatchObject({
    kind: 'connection',
    message: expect.stringContaining('secure connection') as string,
  })
})

test('users with an nkey, and users of a file of their own, work as well', async () => {
  await using folder = await tempFolder()
  const user = createKey('U')
  const seed = join(folder.path, 'user.nk')
  await writeFile(seed, user.seed, {mode: 0o600})
  const users = join(folder.path, 'users.conf')
  await writeFile(users, "users: [{user: app, password: 'secret-of-app'}]", {mode: 0o600})
  const port = await freePort()
  await using hub = await startNatsServer({
    config: `leafnodes {listen: "127.0.0.1:${port}"}\naccounts {SHOP {users: [{nkey: ${user.publicKey}}]}}`,
  })
  const spec: ConnectSpec = {...base, servers: [hub.url], credentials: {kind: 'nkey', file: seed}}
  const remotes = [`nats-leaf://127.0.0.1:${port}`]
  for (const accountWide of [false, true]) {
    await using leaf = await runLeafNode(spec, {remotes, usersFile: users, accountWide})
    expect(leaf.accepts[0]).toBe(user.publicKey)
    const nc = await openConnection(spec)
    const caller: ConnectSpec = {
      ...base,
      servers: [leaf.url],
      credentials: {kind: 'user', user: 'app', password: 'secret-of-app'},
    }
    try {
      serveSubjects(nc, ['orders.get.v1', 'orders.get.v2'])
      expect(await tellLeaf(nc, {key: user, to: leaf.id})).toHaveProperty('state')
      expect((await readLeaf(nc, leaf.id)).signedBy).toBe(user.publicKey)
      const through = await openConnection(caller)
      const reply = await through.request('orders.get', '', {timeout: 3000})
      expect(reply.string()).toMatch(/^orders\.get\.v[12]$/)
      await through.close()
      await expect(openConnection({...base, servers: [leaf.url]})).rejects.toMatchObject({kind: 'connection'})
      expect(await readFile(join(leaf.folder, 'leaf.conf'), 'utf8')).not.toContain('secret-of-app')
    } finally {
      await nc.close()
    }
  }
})

test('two beside their callers split alike, and nothing is handled twice', async () => {
  const port = await freePort()
  await using hub = await startNatsServer({
    config: `leafnodes {listen: "127.0.0.1:${port}"}\naccounts {SHOP {users: [{user: app, password: app}]}}`,
  })
  const spec: ConnectSpec = {...base, servers: [hub.url], credentials: {kind: 'user', user: 'app', password: 'app'}}
  const remotes = [`nats-leaf://127.0.0.1:${port}`]
  await using one = await runLeafNode(spec, {remotes, sources: ['orders.get']})
  await using two = await runLeafNode(spec, {remotes, sources: ['orders.get']})
  const nc = await openConnection(spec)
  try {
    const handled: Record<string, number> = {}
    for (const subject of ['orders.get', 'orders.get.v1', 'orders.get.v2']) {
      const callback = (_error: Error | null, message: {respond: (text: string) => boolean}): void => {
        handled[subject] = (handled[subject] ?? 0) + 1
        message.respond(subject)
      }
      nc.subscribe(subject, {queue: 'workers', callback})
    }
    await nc.flush()
    for (const leaf of [one, two]) {
      const key = parseSeed(await readFile(join(leaf.folder, 'control.nk'), 'utf8'), 'U')
      expect(await tellLeaf(nc, {key, to: leaf.id})).toHaveProperty('state')
    }
    const counts = await Promise.all([one, two].map(({url}) => askMany(url, 'orders.get', 400)))
    for (const count of counts) {
      expect(count['orders.get.v1']! + count['orders.get.v2']!).toBe(400)
      expect(count['orders.get.v1']).toBeGreaterThan(230)
      expect(count['orders.get.v1']).toBeLessThan(330)
    }
    expect(handled['orders.get.v1']! + handled['orders.get.v2']!).toBe(800)
    const there = await Promise.all(Array.from({length: 100}, () => nc.request('orders.get', '')))
    expect(there.filter((reply) => reply.string() === 'orders.get')).toHaveLength(100)
    expect(handled).toMatchObject({'orders.get': 100})
  } finally {
    await nc.close()
  }
})
