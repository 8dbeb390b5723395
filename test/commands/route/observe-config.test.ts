import {expect, test} from 'vitest'

import RouteShow from '../../../src/commands/route/show.js'
import RouteTrace from '../../../src/commands/route/trace.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {freePort, startNatsServer} from '../../support/nats-server.js'
import {startPump} from '../../support/pump.js'
import {run} from '../../support/run.js'
import {tempFolder} from '../../support/temp.js'

const accounts = `accounts {SHOP {users [{user: a, password: a}]
  mappings {"orders.get": [{destination: "orders.v1.get", weight: 80%}, {destination: "orders.v2.get", weight: 20%}]}}}`

test('on configured accounts without JetStream, by a monitoring port, a plain subject is observed', async () => {
  const port = await freePort()
  await using server = await startNatsServer({config: `http: "127.0.0.1:${port}"\n${accounts}`})
  await using folder = await tempFolder()
  const credentials = {kind: 'user', user: 'a', password: 'a'} as const
  const limits = {protected: false, timeoutMs: 5000, connectTimeoutMs: 5000}
  const nc = await openConnection({servers: [server.url], lattice: 'default', credentials, ...limits})
  try {
    for (const version of ['v1', 'v2']) {
      const callback = (_error: Error | null, message: {respond: () => boolean}): void => void message.respond()
      nc.subscribe(`orders.${version}.get`, {queue: 'orders', callback})
    }
    await nc.flush()
    const env = {
      XDG_CONFIG_HOME: folder.path,
      LATTICE_URL: server.url,
      LATTICE_USER: 'a',
      LATTICE_PASSWORD: 'a',
      CI: undefined,
    }
    const subjects = ['--source', 'orders.get', '--leg', '1.0.0=orders.v1.get', '--leg', '2.0.0=orders.v2.get']
    const access = ['--state', 'none', '--monitor-url', `http://127.0.0.1:${port}`]
    await using _pump = startPump(nc, 'orders.get')
    const shown = await run(RouteShow, [...subjects, ...access, '--window', '200ms', '--json'], env)
    expect(shown.json()).toMatchObject({
      entity: 'orders.get',
      state: 'foreign',
      effective: {
        legs: [
          {version: '1.0.0', weight: 80},
          {version: '2.0.0', weight: 20},
        ],
      },
      observed: {
        legs: [
          {version: '1.0.0', listeners: 1, asked: 80},
          {version: '2.0.0', listeners: 1, asked: 20},
        ],
        servers: ['test'],
      },
    })
    const traced = await run(RouteTrace, [...subjects, '--state', 'none', '--json'], env)
    expect(traced.json()).toMatchObject({
      traces: [
        {destinations: [{subject: 'orders.v1.get', version: '1.0.0', fate: 'delivered'}, {subject: 'orders.v2.get'}]},
      ],
    })
  } finally {
    await nc.close()
  }
})
