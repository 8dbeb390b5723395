import {readFile} from 'node:fs/promises'

import {connect, credsAuthenticator, type NatsConnection} from '@nats-io/transport-node'
import {describe, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import {renderMappings} from '../../../src/lib/conf/mappings-text.js'
import {parseVersion} from '../../../src/lib/entity/version.js'
import {editToken, readAccountToken} from '../../../src/lib/routing/account-jwt.js'
import {planRoute, type MappingPlan} from '../../../src/lib/routing/plan.js'
import {startConfigServers} from '../../support/config-servers.js'
import {findOldServer} from '../../support/distribution-server.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {plainService, type PlainService} from '../../support/plain-service.js'
import {operatorEnv} from '../../support/route-env.js'
import {measure} from '../../support/routes.js'
import {run} from '../../support/run.js'

const binary = await findOldServer()

/** Half of the requests each, as a route command would map them. */
function halves({source, addresses}: PlainService): MappingPlan[] {
  const versions = ['1.0.0', '2.0.0'].map(parseVersion)
  const listed = {source, addresses: Object.fromEntries(versions.map((version, index) => [version, addresses[index]!]))}
  const entity = {kind: 'subject', key: source, endpoints: [listed]} as const
  const legs = versions.map((version) => ({version, weight: 50}))
  return planRoute('default', entity, legs)
}

async function expectHalves(nc: NatsConnection, service: PlainService): Promise<void> {
  await service.serve(nc)
  const counts = await measure(nc, service.source, 400)
  // Five standard deviations.
  expect(Math.abs(counts['1.0.0']! - 200)).toBeLessThan(50)
  expect(counts['1.0.0']! + counts['2.0.0']!).toBe(400)
}

async function connectTo({url, credsFile}: OperatorServer, creds = credsFile): Promise<NatsConnection> {
  return connect({servers: url, authenticator: credsAuthenticator(await readFile(creds))})
}

describe.skipIf(binary === undefined)('a server of before 2.10 (needs one as nats-server of the system)', () => {
  test('is refused with what is needed, and nothing is changed', async () => {
    await using server = await startOperatorServer({binary: binary!})
    const {exitCode, stderr} = await run(RouteAb, ['50/50', ...plainService().words], operatorEnv(server))
    expect(exitCode).toBe(11)
    expect(stderr).toMatch(/runs nats-server 2\.9\.\d+, and lattice needs 2\.10\.0 or newer\./)
  })

  test('takes the file that we write for others to put in place, and splits as it says', async () => {
    const service = plainService()
    const mappings = renderMappings(new Map(halves(service).map(({source, destinations}) => [source, destinations])))
    await using all = await startConfigServers({binary: binary!, mappings})
    const nc = await connect({servers: all.servers[0]!.url, user: 'app', pass: 'app'})
    try {
      await expectHalves(nc, service)
    } finally {
      await nc.close()
    }
  })

  test('takes the token that we sign, and splits as it says', async () => {
    const service = plainService()
    await using server = await startOperatorServer({binary: binary!})
    const [system, nc] = await Promise.all([connectTo(server, server.sysCredsFile), connectTo(server)])
    try {
      const stored = await system.request(`$SYS.REQ.ACCOUNT.${server.account.publicKey}.CLAIMS.LOOKUP`)
      const token = readAccountToken(stored.string())
      const edit = {change: halves(service), issuedAt: token.issuedAt + 1}
      const reply = await system.request('$SYS.REQ.CLAIMS.UPDATE', editToken(token, edit, server.operatorSigning))
      expect(reply.string()).toContain('"code":200')
      await expectHalves(nc, service)
    } finally {
      await Promise.all([system.close(), nc.close()])
    }
  })
})
