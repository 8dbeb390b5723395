import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteCanary from '../../../src/commands/route/canary.js'
import RouteShow from '../../../src/commands/route/show.js'
import {encodeVersion} from '../../../src/lib/entity/version.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run, type RunResult} from '../../support/run.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let server: OperatorServer
let folder: TempFolder
let workers: NatsConnection
let count = 0
beforeAll(async () => {
  server = await startOperatorServer()
  folder = await tempFolder()
  workers = await openConnection(server.spec())
})
afterAll(async () => {
  await workers.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** A service of plain queue subscribers with a name of its own, and the file that declares it. */
async function declare(more = '', template = '{name}.{v}.get'): Promise<{name: string; file: string; source: string}> {
  const name = `s${process.pid}x${++count}`
  const dir = join(folder.path, name)
  await mkdir(dir)
  const file = join(dir, 'services.yaml')
  const leg = template.replace('{name}', name)
  await writeFile(
    file,
    `format: lattice-services/1\nservices:\n  - name: ${name}\n    sources:\n      ${name}.get: "${leg}"\n${more}`,
  )
  return {name, file, source: `${name}.get`}
}

async function serve(subject: string, version: string): Promise<void> {
  workers.subscribe(subject, {queue: 'workers', callback: (_error, message) => void message.respond(version)})
  await workers.flush()
}

function lattice(command: Parameters<typeof run>[0], file: string, ...argv: string[]): Promise<RunResult> {
  return run(command, argv, {...operatorEnv(server), LATTICE_SERVICES: file})
}

describe('a service of plain queue subscribers', () => {
  test('goes 0, 10, 50, 100 by name and version alone', async () => {
    const {name, file, source} = await declare()
    await serve(`${name}.${encodeVersion('2.3.0')}.get`, '2.3.0')
    await serve(`${name}.${encodeVersion('2.3.1')}.get`, '2.3.1')
    for (const weight of [10, 50, 100]) {
      const canary = await lattice(RouteCanary, file, name, '--to', '2.3.1', '--weight', String(weight))
      expect(canary).toMatchObject({exitCode: 0})
      const counts = await measure(workers, source, 400)
      expect((counts['2.3.0'] ?? 0) + (counts['2.3.1'] ?? 0)).toBe(400)
      expect(Math.abs((counts['2.3.1'] ?? 0) / 4 - weight)).toBeLessThan(14)
    }
    expect((await lattice(RouteShow, file, name, '--json')).json()).toMatchObject({state: 'current'})
  })

  test('is split by weights alone, because its versions are seen', async () => {
    const {name, file} = await declare()
    for (const version of ['1.9.0', '1.10.0']) await serve(`${name}.${encodeVersion(version)}.get`, version)
    const ab = await lattice(RouteAb, file, '70/30', '--entity', name, '--json')
    expect(ab.json()).toMatchObject({
      state: 'live',
      legs: [
        {version: '1.9.0', weight: 70},
        {version: '1.10.0', weight: 30},
      ],
    })
  })
})
