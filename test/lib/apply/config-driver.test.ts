import {writeFileSync} from 'node:fs'
import {chmod, readFile, stat, writeFile} from 'node:fs/promises'
import {basename, join} from 'node:path'

import {expect, test} from 'vitest'

import {openConfigDriver, type ConfigDriverOptions} from '../../../src/lib/apply/config-driver.js'
import {readMappingFile} from '../../../src/lib/apply/config-file.js'
import {putBack} from '../../../src/lib/apply/config-put-back.js'
import {ReloadRefusedError} from '../../../src/lib/apply/config-reload.js'
import {stageFiles} from '../../../src/lib/apply/config-stage.js'
import type {TableChange} from '../../../src/lib/apply/driver.js'
import {systemClock} from '../../../src/lib/clock.js'
import {startConfigServers, type ConfigServers} from '../../support/config-servers.js'
import {findOldServer} from '../../support/distribution-server.js'
import {freePort, startNatsServer} from '../../support/nats-server.js'
import {tempFolder} from '../../support/temp.js'
import {until} from '../../support/until.js'

const canary: TableChange = [
  {
    source: 'orders.get',
    destinations: [
      {subject: 'orders.v1.get', weight: 90},
      {subject: 'orders.v2.get', weight: 10},
    ],
  },
  {source: 'stock.*', destinations: [{subject: 'stock.v2.$1', weight: 100}]},
]
const none: TableChange = canary.map(({source}) => ({source, destinations: undefined}))

function optionsFor({system, mains}: ConfigServers, more: Partial<ConfigDriverOptions> = {}): ConfigDriverOptions {
  return {system, account: 'SHOP', files: mains, clock: systemClock, timeoutMs: 5000, ...more}
}

test('a change is written, loaded by the server and compared with all that is live; taking it back too', async () => {
  await using all = await startConfigServers({mappings: 'mappings { "foreign.a": other.a } # theirs\n'})
  const [server] = all.servers
  await chmod(server!.mappings, 0o640)
  const driver = await openConfigDriver(optionsFor(all))
  const view = await driver.read()
  expect(view.mappings).toEqual({'foreign.a': [{subject: 'other.a', weight: 100}]})
  expect(view.servers.map(({server: {name}}) => name)).toEqual(['S0'])

  const applied = await driver.apply(canary)
  expect((await applied.verify(5000)).outcomes).toEqual([
    {server: expect.objectContaining({name: 'S0'}) as unknown, outcome: 'applied'},
  ])
  expect((await stat(server!.mappings)).mode & 0o777).toBe(0o640)
  expect(await readFile(server!.mappings, 'utf8')).toContain(
    '"foreign.a": [\n    {destination: "other.a", weight: 100}',
  )
  const after = await driver.read()
  expect(after.digest).not.toBe(view.digest)
  expect(after.servers[0]?.live?.table.get('stock.*')).toEqual([{subject: 'stock.v2.$1', weight: 100}])

  const connection = await all.connect()
  const heard = new Promise<string>((resolve) => {
    connection.subscribe('stock.v2.*', {callback: (_, message) => resolve(message.subject)})
  })
  connection.publish('stock.milk')
  expect(await heard).toBe('stock.v2.milk')

  expect(await driver.takeBack({change: canary, previous: none}, 5000)).toBe('written')
  expect((await driver.read()).mappings).toEqual({'foreign.a': [{subject: 'other.a', weight: 100}]})
  expect(await driver.takeBack({change: canary, previous: none}, 5000)).toBe('not needed')
})

test('a change that is there already reloads nothing', async () => {
  await using all = await startConfigServers()
  const driver = await openConfigDriver(optionsFor(all))
  await driver.apply(canary)
  const log = await all.servers[0]!.log()
  const written = await stat(all.servers[0]!.mappings)
  const {verify} = await driver.apply(canary)
  expect((await verify(5000)).outcomes[0]?.outcome).toBe('applied')
  expect(await all.servers[0]!.log()).toBe(log)
  expect((await stat(all.servers[0]!.mappings)).mtimeMs).toBe(written.mtimeMs)
})

test('what was written and not loaded, as after a crash, is loaded by the next change', async () => {
  await using all = await startConfigServers()
  const driver = await openConfigDriver(optionsFor(all))
  await writeFile(all.servers[0]!.mappings, 'mappings { "stock.*": "stock.v2.$1" }')
  const {verify} = await driver.apply(canary.slice(1))
  expect((await verify(5000)).outcomes[0]?.outcome).toBe('applied')
})

test('three servers with three files are changed one after the other', async () => {
  await using all = await startConfigServers({size: 3})
  const driver = await openConfigDriver(optionsFor(all))
  const {verify, notes} = await driver.apply(canary)
  expect(notes).toEqual([])
  expect((await verify(5000)).outcomes.map(({server: {name}, outcome}) => `${name} ${outcome}`)).toEqual([
    'S0 applied',
    'S1 applied',
    'S2 applied',
  ])
  const texts = await Promise.all(all.servers.map(({mappings}) => readFile(mappings, 'utf8')))
  expect(new Set(texts).size).toBe(1)
})

test('when one of three servers refuses, files and servers are all as they were', async () => {
  await using all = await startConfigServers({size: 3})
  const driver = await openConfigDriver(optionsFor(all))
  const before = await driver.read()
  // Valid for nats-server -t, and no server takes it while it runs.
  const last = all.servers[2]!
  await writeFile(last.main, `${await readFile(last.main, 'utf8')}\nhttp_base_path: other\n`)
  await expect(driver.apply(canary)).rejects.toMatchObject({
    message: expect.stringMatching(/^Server 'S2' refused to reload: .*\.$/) as unknown,
    lines: ['All is as it was: the files, and 3 servers.'],
    details: {takenBack: true},
  })
  const after = await driver.read()
  expect(after.digest).toBe(before.digest)
  expect(after.servers.map(({live}) => live?.table.size)).toEqual([0, 0, 0])
  expect(await all.servers[0]!.log()).toMatch(/Reloaded server configuration[^]*Reloaded server configuration/)
})

test('what no server takes is refused before anything is written', async () => {
  await using all = await startConfigServers({mappings: '# mine\n'})
  const driver = await openConfigDriver(optionsFor(all))
  const wrong: TableChange = [{source: 'a', destinations: [{subject: 'b.*', weight: 100}]}]
  await expect(driver.apply(wrong)).rejects.toMatchObject({kind: 'unsafe', details: {rule: 'destination-wildcard'}})
  expect(await readFile(all.servers[0]!.mappings, 'utf8')).toBe('# mine\n')
})

test('what nats-server -t refuses is put back before any server is told', async () => {
  await using all = await startConfigServers({mappings: '# mine\n'})
  const [server] = all.servers
  const files = [await readMappingFile(server!.main, {account: 'SHOP'})]
  const wrong: TableChange = [{source: 'a', destinations: [{subject: 'b.*', weight: 100}]}]
  await expect(stageFiles(files, wrong)).rejects.toMatchObject({
    kind: 'unsafe',
    message: expect.stringMatching(/nothing was changed: .*lattice-mappings\.conf:4:4: .*"a"/) as unknown,
  })
  expect(await readFile(server!.mappings, 'utf8')).toBe('# mine\n')
})

test('a main file that nats-server -t does not take from here is not checked, and that is said', async () => {
  await using all = await startConfigServers()
  const driver = await openConfigDriver(optionsFor(all))
  const {main} = all.servers[0]!
  // As a certificate that only the server may read would.
  await writeFile(main, `${await readFile(main, 'utf8')}\ntls { cert_file: nowhere.pem, key_file: nowhere.pem }\n`)
  await expect(driver.apply(canary)).rejects.toMatchObject({
    message: expect.stringContaining('refused to reload') as unknown,
    details: {takenBack: true},
  })
  await writeFile(main, (await readFile(main, 'utf8')).replace(/\ntls .*/, '\nmax_payload: $SET_ELSEWHERE'))
  const {written, unchecked} = await stageFiles([await readMappingFile(main, {account: 'SHOP'})], canary)
  expect(unchecked).toEqual([main])
  expect(written).toHaveLength(1)
})

test('an edit of somebody else between reading and writing is a conflict', async () => {
  await using all = await startConfigServers()
  const driver = await openConfigDriver(optionsFor(all))
  const file = all.servers[0]!.mappings
  const edit = 'mappings { a: b }\n'
  await expect(driver.apply(canary, {inspect: () => writeFileSync(file, edit)})).rejects.toMatchObject({
    kind: 'conflict',
  })
  expect(await readFile(file, 'utf8')).toBe(edit)
})

test('without system credentials a server is reloaded by its pid and seen through its monitoring port', async () => {
  const port = await freePort()
  await using all = await startConfigServers({top: () => `http: "127.0.0.1:${port}"`})
  const driver = await openConfigDriver(optionsFor(all, {system: undefined, pid: String(all.servers[0]!.pid)}))
  expect(driver.notes).toEqual([])
  const {verify} = await driver.apply(canary)
  expect((await verify(5000)).outcomes).toEqual([
    {server: expect.objectContaining({name: 'S0'}) as unknown, outcome: 'applied'},
  ])
})

test('a server that shows nothing is reloaded by its pid file, and nobody claims that it is live', async () => {
  await using folder = await tempFolder()
  await using all = await startConfigServers({top: () => `pid_file: '${folder.path}/nats.pid'`})
  const driver = await openConfigDriver(optionsFor(all, {system: undefined}))
  expect(driver.notes[0]).toMatch(/^What is live cannot be seen/)
  const {verify} = await driver.apply(canary)
  expect((await verify(0)).outcomes).toEqual([expect.objectContaining({outcome: 'missing'})])
  const seeing = await openConfigDriver(optionsFor(all))
  await until(async () => (await seeing.read()).servers[0]?.live?.table.size === 2, 5000)
})

test('edits of somebody else that a reload would load are told before', async () => {
  await using all = await startConfigServers({size: 2})
  expect((await openConfigDriver(optionsFor(all))).notes).toEqual([])
  const {main} = all.servers[1]!
  await writeFile(main, `${await readFile(main, 'utf8')}\nmax_payload: 2MB\n`)
  expect((await openConfigDriver(optionsFor(all))).notes).toEqual([
    `Server 'S1' does not run '${main}' as it is now: reloading it also loads whatever else was changed there.`,
  ])
})

test('leaf nodes that will not hear of a new source are told of', async () => {
  const port = await freePort()
  await using all = await startConfigServers({top: () => `leafnodes { listen: "127.0.0.1:${port}" }`})
  await using leaf = await startNatsServer({
    serverName: 'leaf',
    config: `leafnodes { remotes: [{url: "nats-leaf://app:app@127.0.0.1:${port}"}] }`,
  })
  await until(async () => (await leaf.log()).includes('Leafnode connection created'), 5000)
  const driver = await openConfigDriver(optionsFor(all))
  const told = "Leaf nodes that are connected now hear of 'stock.*' only when they connect again."
  await until(async () => (await all.servers[0]!.log()).includes('Leafnode connection created'), 5000)
  expect((await driver.apply(canary.slice(1))).notes).toEqual([told])
  expect((await driver.apply([{source: 'stock.*', destinations: [{subject: 'v3.$1', weight: 100}]}])).notes).toEqual([])
})

test('another tool that writes our file after us is noticed', async () => {
  await using all = await startConfigServers()
  const driver = await openConfigDriver(optionsFor(all))
  const {verify} = await driver.apply(canary)
  expect(await verify(0)).toMatchObject({overtaken: false})
  await writeFile(all.servers[0]!.mappings, 'mappings {"stock.*": "elsewhere.$1"}\n')
  expect(await verify(0)).toMatchObject({overtaken: true})
  expect(await driver.takeBack({change: canary, previous: none}, 1000)).toBe('foreign')
})

test('a file that somebody else wrote meanwhile is not put back, and that is said', async () => {
  await using all = await startConfigServers()
  const [server] = all.servers
  await writeFile(server!.mappings, 'mappings {x: y}\n')
  const written = [{path: server!.mappings, main: server!.main, before: '', after: 'mappings {}\n'}]
  const target = {...optionsFor(all), seen: all.system}
  const error = await putBack(target, {cause: new ReloadRefusedError('S0', 'no'), written, done: []})
  expect(error).toMatchObject({
    kind: 'partial',
    lines: [`not put back, because somebody else wrote it or it cannot be written: ${server!.mappings}`],
  })
  expect(await readFile(server!.mappings, 'utf8')).toBe('mappings {x: y}\n')
})

test('a server says why without what it quotes of others', () => {
  const reason = 'x.conf:3:1: Duplicate user "alice" detected, mapping "orders.get"'
  expect(new ReloadRefusedError('S0', reason).hiding(['orders.get']).message).toBe(
    `Server 'S0' refused to reload: x.conf:3:1: Duplicate user "…" detected, mapping "orders.get".`,
  )
})

test('files that differ are not changed, except to mend them', async () => {
  await using all = await startConfigServers({size: 2})
  const driver = await openConfigDriver(optionsFor(all))
  await driver.apply(canary)
  // As when a change was cut off between the two.
  const [one, other] = all.servers
  await writeFile(other!.mappings, 'mappings {"foreign": "other"}')
  await expect(driver.apply(none)).rejects.toMatchObject({
    kind: 'conflict',
    details: {files: [one!.mappings, other!.mappings]},
  })
  expect(await driver.takeBack({change: canary, previous: none}, 5000)).toBe('written')
  const texts = await Promise.all([one, other].map((server) => readFile(server!.mappings, 'utf8')))
  expect(texts.map((text) => text.includes('orders.get'))).toEqual([false, false])
  expect(texts[1]).toContain('"foreign"')
})

test('a file whose server does not answer is left alone, with all others', async () => {
  await using all = await startConfigServers()
  const [server] = all.servers
  await using folder = await tempFolder()
  const main = join(folder.path, 'server.conf')
  await writeFile(main, (await readFile(server!.main, 'utf8')).replace('"S0"', '"S9"'))
  const driver = await openConfigDriver(optionsFor(all, {files: [server!.main, main]}))
  await expect(driver.apply(canary)).rejects.toMatchObject({
    kind: 'connection',
    message: `No server named 'S9' answers, which is what '${main}' says.`,
  })
  await expect(openConfigDriver(optionsFor(all, {files: []}))).rejects.toMatchObject({kind: 'connection'})
  expect(await readFile(server!.mappings, 'utf8')).toBe('')
})

test('a server whose file is not given would keep its mappings, so nothing is changed', async () => {
  await using all = await startConfigServers({size: 2})
  const driver = await openConfigDriver(optionsFor(all, {files: all.mains.slice(0, 1)}))
  await expect(driver.apply(canary)).rejects.toMatchObject({kind: 'usage', details: {servers: ['S1']}})
  expect(await readFile(all.servers[0]!.mappings, 'utf8')).toBe('')
})

test('servers that share one file of mappings are changed by one writing of it', async () => {
  await using all = await startConfigServers({size: 2})
  const [one, other] = all.servers
  const shared = one!.mappings
  await writeFile(
    other!.main,
    (await readFile(other!.main, 'utf8')).replace(
      'lattice-mappings.conf',
      join('..', basename(one!.dir), 'lattice-mappings.conf'),
    ),
  )
  const driver = await openConfigDriver(optionsFor(all, {mappingsFile: shared}))
  const {verify} = await driver.apply(canary)
  expect((await verify(5000)).outcomes.map(({outcome}) => outcome)).toEqual(['applied', 'applied'])
  expect(await readFile(other!.mappings, 'utf8')).toBe('')
})

test('one process id is not that of two servers', async () => {
  await using all = await startConfigServers({size: 2})
  await expect(openConfigDriver(optionsFor(all, {pid: '1'}))).rejects.toMatchObject({kind: 'usage'})
})

test('a pid that is no nats-server gets no signal', async () => {
  await using all = await startConfigServers()
  const driver = await openConfigDriver(optionsFor(all, {system: undefined, pid: String(process.pid)}))
  await expect(driver.apply(canary)).rejects.toMatchObject({
    message: `The process ${process.pid} is no nats-server.`,
    details: {takenBack: false},
  })
  expect(await readFile(all.servers[0]!.mappings, 'utf8')).toBe('')
})

test('files for other machines are written to a folder, and nothing is changed', async () => {
  await using all = await startConfigServers({size: 2})
  const dir = `${all.servers[0]!.dir}/out`
  const driver = await openConfigDriver(optionsFor(all, {files: [], render: dir}))
  const applied = await driver.apply(canary)
  expect(applied.rendered).toEqual([`${dir}/S0.conf`, `${dir}/S1.conf`])
  expect((await applied.verify(5000)).outcomes.map(({outcome}) => outcome)).toEqual(['differs', 'differs'])
  expect((await driver.read()).mappings).toEqual({})

  for (const server of all.servers) {
    await writeFile(server.mappings, await readFile(`${dir}/${server.name}.conf`, 'utf8'))
    process.kill(server.pid, 'SIGHUP')
  }
  await until(async () => (await applied.verify(1000)).outcomes.every(({outcome}) => outcome === 'applied'), 5000)
})

const oldServer = await findOldServer()

test.skipIf(oldServer === undefined)(
  'a server of before 2.10 is reloaded by its pid file and seen through its port (needs one as nats-server of the system or LATTICE_OLD_NATS_SERVER)',
  async () => {
    const port = await freePort()
    await using folder = await tempFolder()
    const top = (): string => `http: "127.0.0.1:${port}"\npid_file: '${folder.path}/nats.pid'`
    await using all = await startConfigServers({binary: oldServer!, top})
    const driver = await openConfigDriver(optionsFor(all))
    const {verify} = await driver.apply(canary)
    expect((await verify(5000)).outcomes.map(({outcome}) => outcome)).toEqual(['applied'])
    expect(await driver.takeBack({change: canary, previous: none}, 5000)).toBe('written')
  },
)
