import {setTimeout as sleep} from 'node:timers/promises'

import {expect, test} from 'vitest'

import {SystemClient} from '../../../src/lib/nats/system.js'
import {startConfigServers} from '../../support/config-servers.js'
import {startOperatorServer, until} from '../../support/nats-server.js'
import {goOn, standStill} from '../../support/stand-still.js'

test('a server that is too slow is not taken for a user of another account', async () => {
  await using server = await startOperatorServer()
  const spec = {...server.spec(), timeoutMs: 300}
  await using user = await SystemClient.open({...spec, sysCreds: server.credsFile})
  await expect(user.servers()).rejects.toMatchObject({
    kind: 'connection',
    message: 'The system credentials are not of the system account: no server answers a ping.',
  })
  await using system = await SystemClient.open(spec)
  standStill(server.pid)
  try {
    const answers = (): Promise<boolean> =>
      Promise.race([system.connection.flush().then(() => true), sleep(100).then(() => false)])
    await until(async () => !(await answers()), 5000)
    await expect(system.servers()).rejects.toMatchObject({
      kind: 'connection',
      message:
        "The server says nothing any more: no answer on '$SYS.REQ.SERVER.PING' within 300 ms, and none to a ping.",
    })
  } finally {
    goOn(server.pid)
  }
})

test('a server that takes its time is waited for when its neighbours tell of it', async () => {
  await using all = await startConfigServers({size: 3})
  await using system = await SystemClient.open(all.spec())
  const {pid} = all.servers[2]!
  standStill(pid)
  const found = system.servers()
  // Longer than anybody waits for servers that nobody knows of.
  await sleep(500)
  goOn(pid)
  expect((await found).map(({name}) => name)).toEqual(['S0', 'S1', 'S2'])
})
