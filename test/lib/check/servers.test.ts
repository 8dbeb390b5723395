import {once} from 'node:events'
import {createServer} from 'node:net'

import {connect} from '@nats-io/transport-node'
import {describe, expect, test} from 'vitest'

import {checkConnection} from '../../../src/lib/check/check.js'
import type {CheckReport} from '../../../src/lib/check/report.js'
import {systemClock} from '../../../src/lib/clock.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {createAuthority} from '../../support/certificates.js'
import {check, contextIn, runCheck} from '../../support/checks.js'
import {plainSpec} from '../../support/host.js'
import {startNatsServer, startOperatorCluster, startOperatorServer, type TestServer} from '../../support/nats-server.js'
import {startOldServer} from '../../support/old-server.js'
import {goOn, standStill} from '../../support/stand-still.js'
import {tempFolder} from '../../support/temp.js'
import {changeAccount} from '../../support/users.js'

function user(server: TestServer, name = 'u'): Record<string, string> {
  return {XDG_CONFIG_HOME: server.dir, LATTICE_URL: server.url, LATTICE_USER: name, LATTICE_PASSWORD: 'p'}
}

describe('JetStream', () => {
  test('that a server does not have is missing, for what needs it', async () => {
    await using server = await startNatsServer()
    const env = {XDG_CONFIG_HOME: server.dir, LATTICE_URL: server.url}
    const {answer, answers, exitCode} = await check(env, '--exit-code')
    expect(exitCode).toBe(20)
    expect(answer('jetstream').state).toBe('missing')
    expect(answers('bucket')).toEqual([])
    expect(answer('account').detail).toBe("'$G'")
    expect((await check(env, '--for', 'control', '--read-only', '--exit-code')).exitCode).toBe(0)
  })

  test('that an account does not have, and a domain that is not there, are told apart', async () => {
    const accounts = `accounts {
      A {jetstream: enabled, users: [{user: u, password: p}]}
      B {users: [{user: b, password: p}]}
    }`
    await using server = await startNatsServer({jetstream: true, config: accounts})
    const without = await check(user(server, 'b'))
    expect(without.answer('jetstream')).toMatchObject({
      state: 'missing',
      detail: expect.stringMatching(/account/) as unknown,
    })
    const elsewhere = await check(user(server), '--js-domain', 'nowhere')
    expect(elsewhere.answer('jetstream')).toMatchObject({
      state: 'missing',
      detail: expect.stringMatching(/domain/) as unknown,
    })
    expect((await check(user(server))).answer('jetstream')).toMatchObject({state: 'ok'})
  })

  test('with a domain names it, and the subjects are those of the domain', async () => {
    await using folder = await tempFolder()
    await using server = await startNatsServer({
      config: `jetstream {domain: hub, store_dir: ${JSON.stringify(folder.path)}}`,
    })
    const env = {XDG_CONFIG_HOME: server.dir, LATTICE_URL: server.url}
    const {report, answer} = await check(env, '--js-domain', 'hub')
    expect(report.jetstream?.domain).toBe('hub')
    expect(answer('jetstream').detail).toContain("domain 'hub'")
    expect(report.needs.find(({ability}) => ability === 'cache')?.publish).toContain(
      '$JS.hub.API.$KV.LATTICEDATA_default.>',
    )
  })

  test.each([
    ['streams', {streams: 1}, 'no room for 2 buckets that the first write makes'],
    [
      'sizes',
      {max_bytes_required: true},
      'the account wants a size for each stream, and lattice makes buckets without',
    ],
    ['storage', {disk_storage: 0}, 'no storage is left'],
  ])('whose limits leave no room for %s is missing', async (_what, limits, trouble) => {
    await using server = await startOperatorServer()
    const open = {subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1}
    const js = {mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1}
    await changeAccount(server, {limits: {...open, ...js, ...limits}})
    const env = {XDG_CONFIG_HOME: server.dir, LATTICE_URL: server.url, LATTICE_CREDS: server.credsFile}
    const {answer, exitCode} = await check(env, '--for', 'cache', '--exit-code')
    expect(answer('jetstream').detail).toContain(trouble)
    expect(exitCode).toBe(20)
    expect((await check(env, '--for', 'cache', '--read-only', '--exit-code')).exitCode).toBe(0)
  })

  test('that holds the records of another lattice says its name', async () => {
    await using server = await startNatsServer({jetstream: true})
    const env = {XDG_CONFIG_HOME: server.dir, LATTICE_URL: server.url}
    const nc = await connect({servers: server.url})
    await nc.request(
      '$JS.API.STREAM.CREATE.KV_LATTICEDATA_blue',
      JSON.stringify({name: 'KV_LATTICEDATA_blue', subjects: ['$KV.LATTICEDATA_blue.>']}),
    )
    await nc.close()
    expect((await check(env)).answer('bucket').fix).toEqual(['--lattice blue'])
    const right = await check(env, '-l', 'blue')
    expect(right.answer('bucket').detail).toBe("'LATTICEDATA_blue': 0 revisions, 0 B, 1 replica")
  })
})

describe('servers without an operator', () => {
  test('let nobody change routes by token, whatever key there is', async () => {
    await using operator = await startOperatorServer()
    await using server = await startNatsServer({
      config: `accounts {A {users: [{user: u, password: p}]}, SYS {users: [{user: s, password: p}]}}
        system_account: SYS`,
    })
    const env = {...user(server), LATTICE_OPERATOR_SEED_FILE: operator.operatorKeyFile}
    const {answer, exitCode} = await check(env, '--for', 'routes', '--exit-code')
    expect(exitCode).toBe(20)
    expect(answer('operatorKey')).toMatchObject({
      state: 'missing',
      detail: "The account 'A' has no token: these servers are not in operator mode",
    })
  })

  test('say in words what a user of the configuration lacks', async () => {
    await using server = await startNatsServer({
      jetstream: true,
      config: `accounts {A {jetstream: enabled, users: [
        {user: u, password: p, permissions: {publish: ["$JS.>", "$SYS.REQ.USER.INFO"], subscribe: ["_INBOX.>"]}}
      ]}}`,
    })
    const {answer, report} = await check(user(server), '--for', 'cache')
    expect(answer('cache').fix).toEqual([
      `Let user 'u' publish: ["$KV.LATTICEDATA_default.>", "$KV.LATTICEVERSIONS_default.>"]`,
    ])
    expect(answer('token')).toMatchObject({state: 'notNeeded'})
    expect(answer('tls')).toMatchObject({state: 'notNeeded'})
    expect(JSON.stringify(report)).not.toContain('"p"')
  })
})

describe('TLS', () => {
  test('is told with the end of the certificate, and warned of when that is near', async () => {
    await using folder = await tempFolder()
    const authority = await createAuthority(folder.path)
    const year = new Date(Date.now() + 365 * 86_400_000)
    for (const [notAfter, state] of [
      [year, 'ok'],
      [new Date(Date.now() + 5 * 86_400_000), 'warning'],
    ] as const) {
      const {cert, key, ca} = await authority.server({notAfter})
      await using server = await startNatsServer({
        config: `tls {cert_file: ${JSON.stringify(cert)}, key_file: ${JSON.stringify(key)}}`,
      })
      const env = {XDG_CONFIG_HOME: server.dir, LATTICE_URL: server.url.replace('nats:', 'tls:'), LATTICE_TLS_CA: ca}
      const {answer, report} = await check(env, '--for', 'control', '--read-only')
      expect(answer('tls')).toMatchObject({state, detail: expect.stringMatching(/^TLSv1\.[23], .*ends 20/) as unknown})
      expect(Date.parse(report.server.tls!.certificateExpires!)).toBe(Math.floor(notAfter.getTime() / 1000) * 1000)
    }
  })
})

describe('servers that are slow, silent or old', () => {
  test('one of a cluster that is silent is a warning', async () => {
    await using cluster = await startOperatorCluster(3)
    const [first, , third] = cluster.servers
    const env = {
      XDG_CONFIG_HOME: first!.dir,
      LATTICE_URL: first!.url,
      LATTICE_CREDS: first!.credsFile,
      LATTICE_SYS_CREDS: first!.sysCredsFile,
    }
    const whole = await check(env)
    expect(whole.answer('cluster').detail).toBe("'test'")
    expect(whole.answer('system')).toMatchObject({
      state: 'ok',
      detail: expect.stringContaining('3 servers answer') as unknown,
    })
    standStill(third!.pid)
    try {
      // It may have been the one that leads JetStream, so nothing is said about the whole.
      const {answer} = await check(env, '--for', 'routes', '--read-only')
      expect(answer('system')).toMatchObject({
        state: 'warning',
        detail: expect.stringContaining('S2 is known to the others and silent') as unknown,
      })
    } finally {
      goOn(third!.pid)
    }
  }, 60_000)

  test('one that stops talking after the connection is no connection, in time', async () => {
    await using server = await startNatsServer()
    const spec = {...plainSpec(server.url, 'default'), timeoutMs: 400}
    const nc = await openConnection(spec)
    standStill(server.pid)
    const started = performance.now()
    try {
      const options = {clock: systemClock, deadline: started + spec.timeoutMs}
      await expect(checkConnection(nc, spec, options)).rejects.toMatchObject({
        kind: 'connection',
        message: 'The server does not answer within 400 ms.',
      })
      expect(performance.now() - started).toBeLessThan(900)
    } finally {
      goOn(server.pid)
      await nc.close()
    }
  })

  test('a way to the system account that leads to silence costs the time there is and no more', async () => {
    await using server = await startOperatorServer()
    const silent = createServer()
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const {port} = silent.address() as {port: number}
    try {
      await contextIn(server.dir, 'silent', {url: `nats://127.0.0.1:${port}`, creds: server.sysCredsFile})
      const env = {
        XDG_CONFIG_HOME: server.dir,
        LATTICE_URL: server.url,
        LATTICE_CREDS: server.credsFile,
        LATTICE_SYS_CONTEXT: 'silent',
      }
      const started = performance.now()
      const {answer, exitCode} = await check(env, '--exit-code', '--timeout', '600ms')
      expect(performance.now() - started).toBeLessThan(1100)
      expect(answer('system')).toMatchObject({state: 'missing', detail: expect.stringMatching(/answer/) as unknown})
      expect(answer('jetstream').state).toBe('ok')
      expect(exitCode).toBe(20)
    } finally {
      silent.close()
    }
  })

  test('an old one is refused, and where it is not, does not tell what its users may do', async () => {
    await using server = await startOldServer('2.9.10')
    const refused = await runCheck({XDG_CONFIG_HOME: '/nowhere', LATTICE_URL: server.url})
    expect(refused.exitCode).toBe(11)
    expect(refused.stderr).toContain('2.9.10')
    const spec = plainSpec(server.url, 'default')
    const nc = await connect({servers: server.url})
    try {
      const options = {clock: systemClock, deadline: performance.now() + 2000}
      const report: CheckReport = await checkConnection(nc, spec, options)
      const answer = (check: string): unknown => report.checks.find((one) => one.check === check)
      expect(answer('server')).toMatchObject({
        state: 'missing',
        detail: expect.stringMatching(/^old 2\.9\.10 at .*, and 2\.10\.0 or later is needed$/) as unknown,
      })
      for (const name of ['cache', 'control']) {
        expect(answer(name)).toEqual({
          check: name,
          state: 'unknown',
          detail: 'servers of this version do not tell what a user may do',
        })
      }
      expect(report.user.permissionsFrom).toBe('nobody')
    } finally {
      await nc.close()
    }
  })
})
