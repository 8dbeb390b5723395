import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteVerify from '../../../src/commands/route/verify.js'
import {encodeVersion} from '../../../src/lib/entity/version.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {configEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'

let servers: ConfigServers
beforeAll(async () => {
  servers = await startConfigServers()
})
afterAll(() => servers[Symbol.asyncDispose]())

test('a declared service goes 0, 10, 50, 100 where nobody has system credentials', async () => {
  const workers = await servers.connect()
  try {
    for (const version of ['1.0.0', '2.0.0']) {
      const callback = (_error: Error | null, message: {respond: (text: string) => boolean}): void =>
        void message.respond(version)
      workers.subscribe(`stock.${encodeVersion(version)}.get`, {queue: 'q', callback})
    }
    await workers.flush()
    const [server] = servers.servers
    const file = join(server!.dir, 'services.yaml')
    await writeFile(
      file,
      'format: lattice-services/1\nservices:\n  - name: stock\n    sources: {stock.get: "stock.{v}.get"}\n',
    )
    const env = {
      ...configEnv(servers),
      LATTICE_SYS_CONTEXT: undefined,
      LATTICE_SERVICES: file,
      LATTICE_STATE: `file:${join(server!.dir, 'routes.json')}`,
    }
    const pid = ['--pid', String(server!.pid)]
    for (const weight of [10, 50, 100]) {
      const canary = await run(RouteCanary, ['stock', '--to', '2.0.0', '--weight', String(weight), ...pid], env)
      expect({exitCode: canary.exitCode, stderr: canary.stderr}).toMatchObject({exitCode: 0})
      const counts = await measure(workers, 'stock.get', 300)
      expect((counts['1.0.0'] ?? 0) + (counts['2.0.0'] ?? 0)).toBe(300)
      expect(Math.abs((counts['2.0.0'] ?? 0) / 3 - weight)).toBeLessThan(14)
    }
    expect((await run(RouteAb, ['70/30', ...pid, '--json'], env)).json()).toMatchObject({
      entity: 'stock',
      legs: [
        {version: '1.0.0', weight: 70},
        {version: '2.0.0', weight: 30},
      ],
    })
    expect((await run(RouteVerify, ['stock', '--json'], env)).json()).toMatchObject({live: true})
  } finally {
    await workers.close()
  }
})
