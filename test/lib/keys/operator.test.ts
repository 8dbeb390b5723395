import {readFile} from 'node:fs/promises'

import {connect, credsAuthenticator} from '@nats-io/transport-node'
import {expect, test} from 'vitest'

import {freePort, startNatsServer, startOperatorCluster, startOperatorServer} from '../../support/nats-server.js'

async function open(url: string, credsFile: string) {
  return connect({servers: url, authenticator: credsAuthenticator(await readFile(credsFile)), reconnect: false})
}

test('a server in operator mode serves both accounts from the tokens in its folder, before and after a restart', async () => {
  await using server = await startOperatorServer()
  for (const round of ['start', 'restart']) {
    const user = await open(server.url, server.credsFile)
    const info = (await user.request('$JS.API.INFO')).json<{limits: {max_storage: number}}>()
    const who = (await user.request('$SYS.REQ.USER.INFO')).json<{data: {account: string}}>()
    const sys = await open(server.url, server.sysCredsFile)
    const stored = (await sys.request(`$SYS.REQ.ACCOUNT.${server.account.publicKey}.CLAIMS.LOOKUP`)).string()
    await Promise.all([user.close(), sys.close()])
    expect([round, info.limits.max_storage, who.data.account]).toEqual([round, -1, server.account.publicKey])
    expect(stored.split('.')).toHaveLength(3)
    if (round === 'start') await server.restart()
  }
})

test('a cluster of three shares operator and accounts and keeps JetStream streams on all three', async () => {
  await using cluster = await startOperatorCluster(3)
  const [first] = cluster.servers
  await using nc = {
    connection: await open(first!.url, first!.credsFile),
    async [Symbol.asyncDispose]() {
      await this.connection.close()
    },
  }
  const made = (
    await nc.connection.request(
      '$JS.API.STREAM.CREATE.T',
      JSON.stringify({name: 'T', subjects: ['t'], num_replicas: 3}),
      {timeout: 10_000},
    )
  ).json<{config?: {num_replicas: number}}>()
  expect(made.config?.num_replicas).toBe(3)
})

test('a plain server reloads its configuration, and says why when it refuses one', async () => {
  await using server = await startNatsServer({jetstream: true})
  await server.reload('max_payload: 65536')
  await expect(server.reload('no_such_option: 1')).rejects.toThrow('no_such_option')
  const nc = await connect({servers: server.url, reconnect: false})
  expect(nc.info?.max_payload).toBe(65_536)
  await nc.close()
  expect(await freePort()).toBeGreaterThan(0)
})
