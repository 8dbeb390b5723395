import {afterAll, beforeAll, expect, test} from 'vitest'

import {openSource, readAccount} from '../../src/lib/apply/account-state.js'
import {systemClock} from '../../src/lib/clock.js'
import {predictTable} from '../../src/lib/routing/effective.js'
import {legsOf} from '../../src/lib/routing/plan.js'
import {sourceOf} from '../../src/lib/routing/source.js'
import {cliIn, type Ended} from '../support/cli.js'
import {startOperatorServer, type OperatorServer} from '../support/nats-server.js'
import {openRoutes, serveVersion, testActor, type TestRoutes} from '../support/routes.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

/** `LATTICE_TEST_ROUNDS=200` takes as long as `iat` needs: about a second a push. */
const rounds = Number(process.env['LATTICE_TEST_ROUNDS'] ?? 10)
const lattice = 'at-once'
const versions = ['1.0.0', '2.0.0']

let server: OperatorServer
let folder: TempFolder
let opened: TestRoutes
beforeAll(async () => {
  server = await startOperatorServer()
  folder = await tempFolder()
  opened = await openRoutes(server.spec(lattice))
})
afterAll(async () => {
  await opened[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

test(
  `two processes that change routes of one account at the same time do not lose one, ${rounds} times`,
  {timeout: 60_000 + rounds * 10_000},
  async () => {
    const cli = await cliIn(folder.path, {
      LATTICE_URL: server.url,
      LATTICE_CREDS: server.credsFile,
      LATTICE_SYS_CREDS: server.sysCredsFile,
      LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
      LATTICE_LATTICE: lattice,
    })
    const actors = [testActor(), testActor()]
    for (const {entity} of actors) {
      for (const version of versions) serveVersion(opened.connection, {lattice, entity, version})
    }
    await opened.connection.flush()
    const weights = actors.map((): number | undefined => undefined)

    for (let round = 0; round < rounds; round++) {
      const wanted = 1 + (round % 99)
      const ended = await Promise.all(
        actors.map(({entity}) =>
          cli.run(
            'route',
            'ab',
            `${entity.key}@1.0.0=${wanted}`,
            `${entity.key}@2.0.0=${100 - wanted}`,
            '--timeout',
            '60s',
            '--json',
          ),
        ),
      )
      ended.forEach((one, index) => {
        if (settled(one)) weights[index] = wanted
      })
      const {token} = await readAccount(
        await openSource({system: opened.system, account: server.account.publicKey, clock: systemClock}),
      )
      const table = predictTable(token.mappings)
      const live = actors.map(({entity}) => {
        const source = sourceOf(lattice, entity)
        return legsOf(lattice, entity, [{source, destinations: table.get(source)}])?.[0]?.weight
      })
      expect(live).toEqual(weights)
    }
    expect(weights).not.toContain(undefined)
  },
)

/** True for a change that was made, false for one that lost and says so; anything else is a failure. */
function settled({exitCode, stdout, stderr}: Ended): boolean {
  if (exitCode !== 0 && exitCode !== 5) throw new Error(`exit ${exitCode ?? 'by signal'}: ${stdout}${stderr}`)
  return exitCode === 0
}
