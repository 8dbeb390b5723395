import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {check, contextIn, runCheck} from '../../support/checks.js'
import {startHost} from '../../support/host.js'
import {startOperatorServer, type OperatorServer} from '../../support/nats-server.js'
import {changeAccount, writeUser} from '../../support/users.js'

let server: OperatorServer

beforeAll(async () => {
  server = await startOperatorServer()
})

afterAll(() => server[Symbol.asyncDispose]())

type Env = Record<string, string>

/** All that a user may have for changing routes, or less. */
function environment(on: OperatorServer, without: readonly string[] = [], more: Env = {}): Env {
  const all: Env = {
    XDG_CONFIG_HOME: on.dir,
    LATTICE_URL: on.url,
    LATTICE_CREDS: on.credsFile,
    LATTICE_SYS_CREDS: on.sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: on.operatorKeyFile,
    LATTICE_CLUSTER_SEED_FILE: on.clusterSeedFile,
    ...more,
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name)))
}

const wayOut = ['LATTICE_SYS_CREDS', 'LATTICE_OPERATOR_SEED_FILE', 'LATTICE_CLUSTER_SEED_FILE']

describe('a connection that has everything', () => {
  test('is complete, and says what it was that answered', async () => {
    await using host = await startHost({server, lattice: 'full'})
    const {report, exitCode, answer} = await check(environment(server), '-l', 'full', '--exit-code')
    expect(exitCode).toBe(0)
    expect(report.checks.filter(({state}) => state !== 'ok').map(({check, state}) => [check, state])).toEqual([
      ['tls', 'notNeeded'],
      ['bucket', 'notNeeded'],
      ['bucket', 'notNeeded'],
    ])
    expect(report).toMatchObject({
      lattice: 'full',
      complete: true,
      server: {url: server.url, name: 'test', version: expect.stringMatching(/^2\.\d+\.\d+/) as unknown},
      user: {name: 'user', account: server.account.publicKey, accountName: 'APP', permissionsFrom: 'server'},
      hosts: 1,
      operatorKey: server.operatorSigning.publicKey,
      clusterKey: server.clusterKey.publicKey,
      systemServers: [{name: 'test'}],
    })
    expect(report.server.rttMs).toBeLessThan(1000)
    expect(Math.abs(report.server.clockOffsetMs!)).toBeLessThan(2000)
    expect(report.buckets.find(({name}) => name === 'LATTICEDATA_full')).toMatchObject({present: true, replicas: 1})
    expect(answer('hosts').detail).toBe("1 host answers in lattice 'full': 1 v0")
    expect(host.id).not.toBe('')
  })

  test('is told in lines of three columns', async () => {
    const {stdout, stderr} = await runCheck(environment(server))
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'))
    expect(lines.every(({length}) => length === 3)).toBe(true)
    expect(lines.map(([name]) => name)).toEqual([
      ...['server', 'cluster', 'round trip', 'tls', 'clock', 'account', 'user', 'token'],
      ...['cache', 'control', 'calls', 'routes', 'jetstream', 'bucket', 'bucket', 'bucket', 'bucket'],
      ...['hosts', 'system', 'operator key', 'cluster seed'],
    ])
    expect(lines.find(([name]) => name === 'hosts')).toEqual(['hosts', 'warning', "none answers in lattice 'default'"])
    expect(stderr).toMatch(/^Try:\n {2}--lattice NAME/)
  })
})

describe('what is wanted', () => {
  test('is what the connection is set up for, unless it is said', async () => {
    const bare = environment(server, wayOut)
    const levels = (report: {needs: readonly {ability: string; level: string}[]}): Record<string, string> =>
      Object.fromEntries(report.needs.map(({ability, level}) => [ability, level]))
    const unset = await check(bare)
    expect(levels(unset.report)).toEqual({cache: 'write', control: 'write', calls: 'none', routes: 'none'})
    expect(unset.answer('routes')).toMatchObject({
      state: 'notNeeded',
      detail: 'neither system credentials nor an operator key are set',
    })
    expect(unset.answer('calls').detail).toBe('no cluster seed is set')
    expect(unset.answer('system').state).toBe('notNeeded')
    expect(unset.report.complete).toBe(true)

    const shown = await check(environment(server, ['LATTICE_OPERATOR_SEED_FILE']))
    expect(levels(shown.report)['routes']).toBe('read')
    expect(shown.answer('operatorKey')).toMatchObject({state: 'notNeeded'})

    const looking = await check(environment(server), '--read-only')
    expect(levels(looking.report)).toEqual({cache: 'read', control: 'read', calls: 'none', routes: 'read'})
    expect(looking.report.needs.flatMap(({publish}) => publish).filter((one) => /^\$KV|\.cmd\./.test(one))).toEqual([])

    const asked = await check(environment(server), '--for', 'calls')
    expect(levels(asked.report)).toEqual({cache: 'none', control: 'none', calls: 'write', routes: 'none'})
    expect(asked.answer('cache')).toMatchObject({state: 'notNeeded', detail: 'it was not asked for'})
    expect(asked.answer('jetstream').state).toBe('notNeeded')
  })

  test('and is not set up is missing, with the way to set it up', async () => {
    const {answer, exitCode} = await check(
      environment(server, wayOut),
      ...['--for', 'calls', '--for', 'routes', '--exit-code'],
    )
    expect(exitCode).toBe(20)
    expect(answer('system')).toMatchObject({
      state: 'missing',
      fix: expect.arrayContaining(['--sys-creds FILE (or LATTICE_SYS_CREDS)']) as unknown,
    })
    expect(answer('operatorKey').fix).toContain('--operator-seed-file FILE (or LATTICE_OPERATOR_SEED_FILE)')
    expect(answer('clusterSeed').fix).toContain('--cluster-seed-file FILE (or LATTICE_CLUSTER_SEED_FILE)')
  })
})

describe('a user who may not do everything', () => {
  const openSub = {allow: ['_INBOX.>']}
  const as = async (options: Parameters<typeof writeUser>[2], on = server): Promise<Env> =>
    environment(on, wayOut, {LATTICE_CREDS: await writeUser(on.dir, on.account, options)})

  test('is told the subjects it lacks for each ability, and the line that allows them', async () => {
    const env = await as({
      name: 'ci',
      pub: {allow: ['$SYS.REQ.USER.INFO', '$JS.API.>', '$JS.FC.>', '$KV.LATTICEDATA_default.>', 'wasmbus.ctl.*.get.>']},
      sub: openSub,
    })
    const {lacks, answer, exitCode} = await check(env, '--exit-code')
    expect(exitCode).toBe(20)
    expect(lacks('cache')).toEqual(['publish $KV.LATTICEVERSIONS_default.>'])
    expect(answer('cache').fix).toEqual([
      "nsc edit user --account APP --name ci --allow-pub '$KV.LATTICEVERSIONS_default.>'",
      'nsc generate creds --account APP --name ci --output-file FILE',
    ])
    expect(lacks('control')).toEqual([
      'publish wasmbus.ctl.default.ping.hosts',
      'publish wasmbus.ctl.v1.default.host.ping',
      'publish $SRV.INFO',
      ...['la', 'lp', 'scale', 'sa', 'sp'].map((name) => `publish wasmbus.ctl.default.cmd.*.${name}`),
    ])
    expect(answer('hosts')).toMatchObject({state: 'unknown', detail: 'the user may not ask them'})
    expect((await check(env)).exitCode).toBe(0)
    expect((await check(env, '--for', 'cache', '--read-only', '--exit-code')).exitCode).toBe(0)
    const {stdout, stderr} = await runCheck(env, '--for', 'cache')
    expect(stdout).toContain('cache\tmissing\tpublish $KV.LATTICEVERSIONS_default.>, to write a record\n')
    expect(stderr).toContain(
      "Try:\n  nsc edit user --account APP --name ci --allow-pub '$KV.LATTICEVERSIONS_default.>'",
    )
  })

  test('is told the part that is denied', async () => {
    const env = await as({pub: {deny: ['$KV.*.CLAIMS_secret']}})
    const {answer} = await check(env, '--for', 'cache')
    expect(answer('cache')).toMatchObject({
      state: 'missing',
      lacks: [
        {subject: '$KV.LATTICEDATA_default.>', reason: 'denied', denied: '$KV.LATTICEDATA_default.CLAIMS_secret'},
        {subject: '$KV.LATTICEVERSIONS_default.>', denied: '$KV.LATTICEVERSIONS_default.CLAIMS_secret'},
      ],
      fix: [
        `Take away what denies user 'user' to publish: ["$KV.LATTICEDATA_default.CLAIMS_secret", "$KV.LATTICEVERSIONS_default.CLAIMS_secret"]`,
      ],
    })
  })

  test('and may ask nothing of JetStream does not learn whether there is any', async () => {
    const {answer, answers} = await check(await as({pub: {deny: ['$JS.>']}}), '--for', 'cache')
    expect(answer('jetstream').state).toBe('unknown')
    expect(answers('bucket').map(({state}) => state)).toEqual(['unknown', 'unknown'])
    const {stdout} = await runCheck(
      await as({pub: {deny: ['$JS.FC.>', '$KV.LATTICEVERSIONS_default.>']}}),
      '--for',
      'cache',
    )
    expect(stdout).toContain(
      'cache\twarning\tpublish $JS.FC.KV_LATTICEDATA_default.>, to list more than 2 MB of records\n',
    )
    expect(stdout).toContain('cache\tmissing\tpublish $KV.LATTICEVERSIONS_default.>, to write a record\n')
  })

  test('is only warned of what lattice does without', async () => {
    const env = await as({pub: {deny: ['$JS.API.CONSUMER.DELETE.>']}})
    const {answer, exitCode} = await check(env, '--for', 'cache', '--exit-code')
    expect(exitCode).toBe(0)
    expect(answer('cache').state).toBe('warning')
    expect(answer('cache').lacks).toHaveLength(3)
  })

  test('who may not ask either has the permissions of its token', async () => {
    const env = await as({pub: {allow: ['$JS.API.STREAM.>', '$JS.API.CONSUMER.>', '$KV.>']}, sub: openSub})
    const {report, lacks, answer} = await check(env, '--for', 'cache')
    expect(report.user).toMatchObject({permissionsFrom: 'token', account: server.account.publicKey})
    expect(lacks('cache')).toEqual(
      ['LATTICEDATA', 'LATTICEVERSIONS', 'LATTICEROUTES'].map((name) => `publish $JS.FC.KV_${name}_default.>`),
    )
    expect(answer('jetstream')).toMatchObject({
      state: 'ok',
      detail: 'it answers; limits and usage are not visible to this user',
    })
    expect(answer('clock').state).toBe('unknown')
  })

  test('and whose token leaves them to the account is told that nobody knows', async () => {
    await using own = await startOperatorServer()
    await changeAccount(own, {default_permissions: {pub: {deny: ['$SYS.REQ.USER.INFO']}, sub: {}}})
    const {report, answer, exitCode} = await check(environment(own, wayOut), '--exit-code')
    expect(exitCode).toBe(0)
    expect(report.user.permissionsFrom).toBe('nobody')
    expect(answer('cache')).toMatchObject({
      state: 'unknown',
      detail: 'the user may not ask what it may do',
      fix: ["Let the user publish to '$SYS.REQ.USER.INFO'."],
    })
    expect(answer('jetstream').state).toBe('ok')
  })

  test('and has its permissions from a signing key is told which key', async () => {
    await using own = await startOperatorServer()
    const scope = createKey('A')
    const template = {pub: {allow: ['$SYS.REQ.USER.INFO']}, sub: openSub, subs: -1, data: -1, payload: -1}
    const key = {kind: 'user_scope', key: scope.publicKey, role: 'ci', template}
    await changeAccount(own, {signing_keys: [key]})
    const {answer} = await check(await as({name: 'ci', scope}, own), '--for', 'calls')
    expect(answer('calls').fix?.[0]).toMatch(
      new RegExp(`^nsc edit signing-key --account APP --sk ${scope.publicKey} --allow-pub 'wasmbus\\.ctl\\.`),
    )
  })

  test('who gets no answers is told so, and nothing hangs', async () => {
    const env = await as({sub: {allow: ['_INBOX_mine.>']}})
    const started = performance.now()
    const {answer, lacks, report} = await check(env, '--exit-code')
    expect(performance.now() - started).toBeLessThan(3000)
    expect(lacks('cache')).toEqual(['subscribe _INBOX.>'])
    expect(answer('jetstream')).toMatchObject({state: 'unknown'})
    expect(report.complete).toBe(false)
    const own = await check(env, '--inbox-prefix', '_INBOX_mine', '--for', 'cache', '--exit-code')
    expect(own.exitCode).toBe(0)
  })
})

describe('the token of a user', () => {
  const hour = 3600
  test.each([
    ['soon to end', -100 * hour, 2 * hour, 'warning'],
    ['made for an hour', -60, hour, 'ok'],
    ['good for long', -100 * hour, 9000 * hour, 'ok'],
  ])('that is %s', async (_what, issued, expires, state) => {
    const now = Math.floor(Date.now() / 1000)
    const creds = await writeUser(server.dir, server.account, {issued: now + issued, expires: now + expires})
    const {answer, report, exitCode} = await check(environment(server, wayOut, {LATTICE_CREDS: creds}), '--exit-code')
    expect(answer('token').state).toBe(state)
    expect(report.user.tokenExpires).toBe(new Date((now + expires) * 1000).toISOString())
    expect(exitCode).toBe(0)
  })
})

describe('system account and operator key', () => {
  test('credentials of another account are not those of the system account', async () => {
    const {answer, exitCode} = await check(
      environment(server, [], {LATTICE_SYS_CREDS: server.credsFile}),
      '--exit-code',
    )
    expect(exitCode).toBe(20)
    expect(answer('system')).toMatchObject({
      state: 'missing',
      detail: 'The system credentials are not of the system account: no server answers a ping',
    })
    expect(answer('operatorKey')).toMatchObject({state: 'unknown'})
  })

  test('a system user who may not do all is told what is lacking', async () => {
    const allow = ['$SYS.REQ.SERVER.PING', '$SYS.REQ.SERVER.PING.>', '$SYS.REQ.USER.INFO']
    const creds = await writeUser(server.dir, server.systemAccount, {pub: {allow}})
    const {lacks, answer} = await check(environment(server, [], {LATTICE_SYS_CREDS: creds}))
    expect(answer('system').state).toBe('missing')
    expect(lacks('system')).toEqual([
      `publish $SYS.REQ.ACCOUNT.${server.account.publicKey}.CLAIMS.LOOKUP`,
      'publish $SYS.REQ.CLAIMS.UPDATE',
    ])
    const looking = await check(environment(server, [], {LATTICE_SYS_CREDS: creds}), '--read-only')
    expect(looking.lacks('system')).toHaveLength(1)
  })

  test('a key that the servers do not trust is refused before anybody pushes with it', async () => {
    const file = join(server.dir, 'stranger.seed')
    const stranger = createKey('O')
    await writeFile(file, stranger.seed, {mode: 0o600})
    const {answer, report, exitCode} = await check(
      environment(server, [], {LATTICE_OPERATOR_SEED_FILE: file}),
      '--exit-code',
    )
    expect(exitCode).toBe(20)
    expect(answer('operatorKey')).toMatchObject({
      state: 'missing',
      detail: expect.stringMatching(
        `'${stranger.publicKey}' cannot sign for this account: server 'test' trusts`,
      ) as unknown,
    })
    expect(JSON.stringify(report)).not.toContain(stranger.seed)
  })

  test.each([
    ['LATTICE_OPERATOR_SEED_FILE', 'operatorKey'],
    ['LATTICE_CLUSTER_SEED_FILE', 'clusterSeed'],
    ['LATTICE_SYS_CREDS', 'system'],
  ] as const)('%s that leads to nothing is said', async (variable, question) => {
    const {answer} = await check(environment(server, [], {[variable]: join(server.dir, 'nowhere')}))
    expect(answer(question)).toMatchObject({state: 'missing', detail: expect.stringContaining('nowhere') as unknown})
  })
})

describe('which connection', () => {
  test('a context is checked by its name, and two names are refused', async () => {
    await contextIn(server.dir, 'named', {url: server.url, creds: server.credsFile}, {lattice: 'blue'})
    const env = {XDG_CONFIG_HOME: server.dir}
    expect((await check(env, 'named')).report).toMatchObject({context: 'named', lattice: 'blue'})
    expect(await runCheck(env, 'named', '--context', 'other')).toMatchObject({exitCode: 2})
    expect(await runCheck(env, 'nope')).toMatchObject({exitCode: 4})
  })

  test('one that cannot be had is exit 11 with its sentence', async () => {
    const refused = await runCheck({XDG_CONFIG_HOME: server.dir, LATTICE_URL: server.url}, '--json')
    expect(refused.exitCode).toBe(11)
    expect(refused.json()).toMatchObject({error: {kind: 'connection'}})
  })
})
