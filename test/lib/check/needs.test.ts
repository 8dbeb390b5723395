import {connect} from '@nats-io/transport-node'
import {afterEach, beforeEach, expect, test} from 'vitest'

import CacheDel from '../../../src/commands/cache/del.js'
import CacheGet from '../../../src/commands/cache/get.js'
import CacheLs from '../../../src/commands/cache/ls.js'
import CachePut from '../../../src/commands/cache/put.js'
import Call from '../../../src/commands/call.js'
import ClaimsLs from '../../../src/commands/claims/ls.js'
import ContextCheck from '../../../src/commands/context/check.js'
import EntityInspect from '../../../src/commands/entity/inspect.js'
import EntityLs from '../../../src/commands/entity/ls.js'
import HostInspect from '../../../src/commands/host/inspect.js'
import HostLs from '../../../src/commands/host/ls.js'
import LinkLs from '../../../src/commands/link/ls.js'
import RouteAb from '../../../src/commands/route/ab.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RouteClear from '../../../src/commands/route/clear.js'
import RouteLs from '../../../src/commands/route/ls.js'
import RouteShow from '../../../src/commands/route/show.js'
import RouteUndo from '../../../src/commands/route/undo.js'
import Scale from '../../../src/commands/scale.js'
import Start from '../../../src/commands/start.js'
import Stop from '../../../src/commands/stop.js'
import {abilities, needsOf, systemNeeds, type Ability, type Need} from '../../../src/lib/check/needs.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {authenticator} from '../../../src/lib/nats/creds.js'
import {covers} from '../../../src/lib/nats/grants.js'
import {formatClaims} from '../../../src/lib/records/universal.js'
import {echoFolder, startHost, type TestHost} from '../../support/host.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {run, type RunResult} from '../../support/run.js'
import {writeUser} from '../../support/users.js'

// The table of subjects is right when users who may use exactly these can do everything, and when nothing in it is
// there for no command.

const lattice = 'least'
const scope = {lattice, configs: true, apiPrefix: '$JS.API', writePrefix: '', inboxPrefix: '_INBOX'}
let server: OperatorServer
let host: TestHost | undefined

beforeEach(async () => {
  host = undefined
  server = await startOperatorServer()
})

afterEach(async () => {
  await host?.[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** Not the ping of 1.x hosts and not the buckets: who listens and does not answer makes everybody wait. */
const tapped = ['$SRV.>', '$JS.>', '$SYS.REQ.>', 'wasmbus.rpc.>', `wasmbus.ctl.${lattice}.>`]

type Line = readonly [Parameters<typeof run>[0], ...string[]]
const claimed = createKey('M').publicKey
const request = '{"method":"GET","path":"/","queryString":"","header":{},"body":""}'
const echo = (version: string): string => `${echoFolder}/echo-${version}.wasm`

const story: Readonly<Record<Ability, readonly Line[]>> = {
  cache: [
    [CachePut, 'key', 'note', '{"a":1}', '--create'],
    [CachePut, 'key', 'note', '{"a":2}'],
    [CacheGet, 'key', 'note'],
    [CacheDel, 'key', 'note'],
    [
      CachePut,
      'claims',
      `${claimed}@1.0.0`,
      Buffer.from(formatClaims({sub: claimed, iss: 'A', version: '1.0.0'})).toString(),
    ],
    [CachePut, 'config', 'colours', '{"a":"b"}'],
    [CacheLs],
    [ClaimsLs],
    [LinkLs],
  ],
  control: [
    [Start, echo('1.0.0')],
    [Start, echo('2.0.0'), '--dark'],
    [HostLs],
    [HostInspect],
    [EntityLs],
    [EntityInspect, 'echo'],
    [Scale, 'echo@1.0.0', '--count', '3'],
    [Start, 'builtin:httpserver'],
    [Stop, 'httpserver'],
    [Stop, 'echo@2.0.0'],
    [Start, echo('2.0.0'), '--dark'],
  ],
  calls: [
    [Call, 'echo@2.0.0', 'HttpServer.HandleRequest', request],
    [Call, 'echo', 'HttpServer.HandleRequest', request],
  ],
  routes: [
    [RouteAb, '70/30', '--entity', 'echo'],
    [RouteLs],
    [RouteShow, 'echo'],
    [RouteBluegreen, 'echo', '--to', '1.0.0'],
    [RouteUndo, 'echo'],
    [RouteBluegreen, 'echo', '--to', '1.0.0'],
    [RouteClear, 'echo', '--share'],
  ],
}

function environment(creds: string, sysCreds = server.sysCredsFile): Record<string, string> {
  return {
    XDG_CONFIG_HOME: server.dir,
    LATTICE_URL: server.url,
    LATTICE_LATTICE: lattice,
    LATTICE_CREDS: creds,
    LATTICE_SYS_CREDS: sysCreds,
    LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
    LATTICE_CLUSTER_SEED_FILE: server.clusterSeedFile,
  }
}

async function runAll(lines: readonly Line[], env: Record<string, string>): Promise<RunResult[]> {
  const results: RunResult[] = []
  for (const [command, ...argv] of lines) results.push(await run(command, argv, env))
  return results
}

function grants(needs: readonly Need[]): {pub: {allow: string[]}; sub: {allow: string[]}} {
  const subjects = (direction: Need['direction']): string[] =>
    needs.flatMap((need) => (need.direction === direction ? [need.subject] : []))
  return {pub: {allow: subjects('publish')}, sub: {allow: subjects('subscribe')}}
}

test('a user who may use exactly what the table has can do everything, and no subject is there for nothing', async () => {
  const used = new Set<string>()
  const tap = async (creds: string): Promise<() => Promise<void>> => {
    const spec = {...server.spec(), credentials: {kind: 'creds', file: creds} as const}
    const nc = await connect({servers: server.url, authenticator: (await authenticator(spec))!})
    for (const subject of tapped) nc.subscribe(subject, {callback: (_error, message) => void used.add(message.subject)})
    await nc.flush()
    return () => nc.close()
  }
  const taps = await Promise.all([tap(server.credsFile), tap(server.sysCredsFile)])
  const systemTable = systemNeeds(server.account.publicKey, '_INBOX')
  const sysCreds = await writeUser(server.dir, server.systemAccount, grants(systemTable))
  for (const ability of abilities) {
    // The buckets are made by the first write only where no host did.
    if (ability !== 'cache') host ??= await startHost({server, lattice})
    const creds = await writeUser(server.dir, server.account, grants(needsOf(ability, scope)))
    const results = await runAll(story[ability], environment(creds, sysCreds))
    for (const [index, {exitCode, stderr}] of results.entries()) {
      expect({line: story[ability][index]!.slice(1), exitCode, stderr}).toMatchObject({
        exitCode: 0,
        stderr: expect.any(String) as unknown,
      })
      expect(stderr).not.toMatch(/Error|permission/i)
    }
    expect(await run(ContextCheck, ['--for', ability, '--exit-code'], environment(creds, sysCreds))).toMatchObject({
      exitCode: 0,
      stderr: '',
    })
  }
  await Promise.all(taps.map((close) => close()))

  const table = [...abilities.flatMap((ability) => needsOf(ability, scope)), ...systemTable]
  const publishes = new Set(table.flatMap(({direction, subject}) => (direction === 'publish' ? [subject] : [])))
  const unused = [...publishes].filter((subject) => ![...used].some((one) => covers(subject, one)))
  // The buckets have what was written to them. Only a long list needs flow control, and a lone server has no neighbours.
  expect(unused.filter((subject) => !/^\$(JS\.FC|KV)\.|(ROUTEZ|GATEWAYZ|LEAFZ|host\.ping)$/.test(subject))).toEqual([])
}, 60_000)
