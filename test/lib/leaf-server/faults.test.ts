import {copyFile, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import {parseSeed} from '../../../src/lib/keys/nkey.js'
import {decodeToken} from '../../../src/lib/keys/token.js'
import {parseCreds} from '../../../src/lib/keys/creds.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {isRunning} from '../../../src/lib/server/process.js'
import {readRecord} from '../../../src/lib/leaf-server/places.js'
import {startLeafCluster, startPasswordHub} from '../../support/leaf-hub.js'
import {askMany, readLeaf, runLeafNode, seventy, tellLeaf, type LeafNode} from '../../support/leaf-node.js'
import {freePort, startOperatorServer} from '../../support/nats-server.js'
import {serveSubjects} from '../../support/services.js'
import {tempFolder} from '../../support/temp.js'
import {until} from '../../support/until.js'
import {changeAccount, writeUser} from '../../support/users.js'

async function controlKey({folder}: LeafNode) {
  return parseSeed(await readFile(join(folder, 'control.nk'), 'utf8'), 'U')
}

test('its server is started again with its mappings and its port when it is killed', async () => {
  await using hub = await startPasswordHub()
  await using leaf = await runLeafNode(hub.spec(), {remotes: hub.remotes})
  const nc = await openConnection(hub.spec())
  try {
    serveSubjects(nc, ['orders.get.v1', 'orders.get.v2'])
    expect(await tellLeaf(nc, {key: await controlKey(leaf), to: leaf.id})).toHaveProperty('state')
    const {server} = (await readRecord(leaf.folder))!
    process.kill(server!.pid, 'SIGKILL')
    await leaf.sees({kind: 'problem', problem: 'server-lost'})
    await leaf.sees({kind: 'solved', problem: 'server-lost'})
    await until(async () => (await readLeaf(nc, leaf.id)).connected, 5000)
    expect((await readLeaf(nc, leaf.id)).live).toEqual({'orders.get': seventy('orders.get').destinations})
    expect(Object.keys(await askMany(leaf.url, 'orders.get', 100)).sort()).toEqual(['orders.get.v1', 'orders.get.v2'])
    await leaf.stop()
    expect(await isRunning(server!)).toBe(false)
    expect((await readRecord(leaf.folder))!.server).toBeUndefined()
  } finally {
    await nc.close()
  }
})

test('it says that the hub is away, and connects again when it is back', async () => {
  await using hub = await startPasswordHub()
  await using leaf = await runLeafNode(hub.spec(), {remotes: hub.remotes})
  await hub.server.kill()
  await leaf.sees({kind: 'problem', problem: 'hub-lost'})
  await hub.server.restart()
  await leaf.sees({kind: 'solved', problem: 'hub-lost'}, 15_000)
  const nc = await openConnection(hub.spec())
  try {
    // The agent's own connection comes back in its own time.
    await until(async () => (await readLeaf(nc, leaf.id).catch(() => undefined))?.connected === true, 10_000)
    expect((await readLeaf(nc, leaf.id)).problems.filter(({kind}) => kind === 'hub-lost')).toEqual([])
  } finally {
    await nc.close()
  }
})

test('a user that is revoked while it runs shows, and new credentials in the same file mend it', async () => {
  const port = await freePort()
  await using hub = await startOperatorServer({config: `leafnodes {listen: "127.0.0.1:${port}"}`})
  await using folder = await tempFolder()
  const first = await writeUser(folder.path, hub.account)
  const creds = join(folder.path, 'app.creds')
  await copyFile(first, creds)
  const spec = {...hub.spec(), credentials: {kind: 'creds', file: creds} as const}
  const remotes = [`nats-leaf://127.0.0.1:${port}`]
  await using leaf = await runLeafNode(spec, {remotes})
  const nc = await openConnection(hub.spec())
  try {
    serveSubjects(nc, ['orders.get.v1', 'orders.get.v2'])
    // Signed by the user itself, as a job with the same credentials would.
    const user = parseCreds(await readFile(creds, 'utf8'))!
    const key = parseSeed(user.seed, 'U')
    expect(leaf.accepts).toContain(key.publicKey)
    expect(await tellLeaf(nc, {key, to: leaf.id})).toHaveProperty('state')
    expect(Object.keys(await askMany(leaf.url, 'orders.get', 50)).sort()).toEqual(['orders.get.v1', 'orders.get.v2'])
    const {payload} = decodeToken(user.jwt)
    await changeAccount(hub, {revocations: {[String(payload['sub'])]: Math.floor(Date.now() / 1000) + 1}})
    const told = await leaf.sees({kind: 'problem', problem: 'hub-lost'})
    expect(JSON.stringify(told)).toMatch(/refuse|revoked/i)
    expect(Object.keys(await askMany(leaf.url, 'orders.get', 5))).toEqual([''])
    await writeFile(creds, await readFile(await writeUser(folder.path, hub.account), 'utf8'))
    await leaf.sees({kind: 'solved', problem: 'hub-lost'}, 20_000)
    expect(Object.keys(await askMany(leaf.url, 'orders.get', 50)).sort()).toEqual(['orders.get.v1', 'orders.get.v2'])
    await until(async () => (await readLeaf(nc, leaf.id).catch(() => undefined)) !== undefined, 15_000)
    expect((await readLeaf(nc, leaf.id)).accepts).not.toContain(key.publicKey)
  } finally {
    await nc.close()
  }
})

test('a hub that does not take it is one sentence, and nothing is left', async () => {
  await using hub = await startPasswordHub({leafnodes: 'authorization {user: other, password: other, account: SHOP}'})
  await using folder = await tempFolder()
  const path = join(folder.path, 'leaf')
  const refused = runLeafNode({...hub.spec(), timeoutMs: 1500}, {remotes: hub.remotes, folder: path})
  await expect(refused).rejects.toMatchObject({
    kind: 'connection',
    message: expect.stringContaining('refuse') as string,
  })
  const nobody = [`nats-leaf://127.0.0.1:${await freePort()}`]
  await expect(runLeafNode({...hub.spec(), timeoutMs: 1500}, {remotes: nobody, folder: path})).rejects.toMatchObject({
    kind: 'connection',
    message: expect.stringContaining('nobody takes leaf nodes there') as string,
  })
  expect(await readRecord(path)).toBeUndefined()
  await using mute = await startPasswordHub()
  await expect(runLeafNode(mute.spec('mute'), {remotes: mute.remotes})).rejects.toMatchObject({
    details: {reason: 'no-permission'},
  })
})

test('a user that may not be a leaf node, and an account that may have none, are told so', async () => {
  const port = await freePort()
  await using hub = await startOperatorServer({config: `leafnodes {listen: "127.0.0.1:${port}"}`})
  const remotes = [`nats-leaf://127.0.0.1:${port}`]
  await changeAccount(hub, {limits: {subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: 0}})
  await expect(runLeafNode({...hub.spec(), timeoutMs: 1500}, {remotes})).rejects.toMatchObject({
    kind: 'connection',
    message: expect.stringMatching(/leaf/) as string,
  })
})

test('it stays connected by another server of the hub when the one it is connected to ends', async () => {
  await using cluster = await startLeafCluster(3)
  await using leaf = await runLeafNode(cluster.spec(), {remotes: cluster.remotes})
  const nc = await openConnection(cluster.spec(), {reconnect: 'forever'})
  try {
    serveSubjects(nc, ['orders.get.v1', 'orders.get.v2'])
    const key = await controlKey(leaf)
    expect(await tellLeaf(nc, {key, to: leaf.id})).toHaveProperty('state')
    expect(nc.getServers().length).toBeGreaterThan(0)
    await cluster.servers[0]!.kill()
    let answers: Record<string, number> = {}
    await until(async () => {
      answers = await askMany(leaf.url, 'orders.get', 20)
      return (answers[''] ?? 0) === 0
    }, 20_000).catch(async (error: unknown) => {
      throw new Error(
        `${String(error)} ${JSON.stringify([answers, leaf.reports])} ${await readFile(join(leaf.folder, 'server.log'), 'utf8')}`,
      )
    })
    await until(async () => (await readLeaf(nc, leaf.id).catch(() => undefined))?.connected === true, 15_000)
  } finally {
    await nc.close()
  }
})
