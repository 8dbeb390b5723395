import {expect, test} from 'vitest'

import {specFor} from '../../support/failed-connection.js'
import {startHost} from '../../support/host.js'
import {startNatsServer} from '../../support/nats-server.js'
import {until} from '../../support/until.js'

test('a host that may not listen on a subject says on which', async () => {
  const user = '{user: host, password: p, permissions: {subscribe: {deny: "wasmbus.ctl.strict.ping.>"}}}'
  await using server = await startNatsServer({jetstream: true, config: `authorization {users: [${user}]}`})
  const credentials = {kind: 'user', user: 'host', password: 'p'} as const
  await using host = await startHost({
    lattice: 'strict',
    server: {url: server.url, spec: (lattice) => specFor(server.url, {credentials, lattice: lattice ?? 'strict'})},
  })
  const message = "No permission to subscribe to 'wasmbus.ctl.strict.ping.hosts'."
  await until(() => host.reports.some((report) => report.kind === 'warning' && report.message === message), 5000)
  expect(host.reports.filter(({kind}) => kind === 'warning')).toEqual([{kind: 'warning', message}])
})
