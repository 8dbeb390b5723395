import {mkdir, readFile, readdir, rm, stat} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import {listContexts, readContext, selectedContext} from '../../../src/lib/nats/context-files.js'
import {embeddedSpec, processesOf} from '../../../src/lib/server/embedded-hosts.js'
import {embeddedFiles, embeddedFolder, writeState} from '../../../src/lib/server/embedded-state.js'
import {isRunning} from '../../../src/lib/server/process.js'
import {embeddedStatus} from '../../../src/lib/server/status.js'
import {useEmbeddedHome} from '../../support/embedded-home.js'

const home = useEmbeddedHome()

describe('up', () => {
  test('makes a lattice with JetStream, system account and answering hosts, all in private files', async () => {
    const result = await home.up({hosts: 2})
    expect(result).toMatchObject({lattice: 'default', changed: true, context: 'lattice-default', ephemeral: false})
    expect(new Set(result.hosts.map(({id}) => id)).size).toBe(2)

    const state = await home.state()
    const nc = await openConnection(embeddedSpec(state))
    const info = (await nc.request('$JS.API.INFO')).json<{limits: {max_storage: number}}>()
    const pings = await nc.requestMany('wasmbus.ctl.default.ping.hosts', '', {strategy: 'count', maxMessages: 2})
    const started: string[][] = []
    for await (const ping of pings) started.push(ping.json<{arguments: string[]}>().arguments)
    await nc.close()
    expect(info.limits.max_storage).toBe(-1)
    expect(started[0]).toEqual(expect.arrayContaining(['host', 'run', '--allowed-issuer', result.issuer]))

    const files = await readdir(state.folder, {recursive: true, withFileTypes: true})
    const open: string[] = []
    for (const entry of files) {
      const path = join(entry.parentPath, entry.name)
      const {mode} = await stat(path)
      // The server writes logs and accounts itself; the folder above keeps others out.
      if (path.includes('keys') && (mode & 0o077) !== 0) open.push(path)
    }
    expect(open).toEqual([])
    expect((await stat(state.folder)).mode & 0o777).toBe(0o700)
  })

  test('writes both contexts and selects one only when none is selected', async () => {
    const first = await home.up()
    expect(await listContexts()).toEqual(['lattice-default', 'lattice-default-sys'])
    expect([first.selectedContext, await selectedContext()]).toEqual(['lattice-default', 'lattice-default'])
    const {nats, lattice} = await readContext('lattice-default')
    const files = embeddedFiles((await home.state()).folder)
    expect(nats).toEqual({description: expect.any(String) as unknown, url: first.url, creds: files.creds})
    expect(lattice).toEqual({
      lattice: 'default',
      dialect: 'v0',
      sysContext: 'lattice-default-sys',
      operatorKeyFile: files.operatorSigningSeed,
      clusterSeedFile: files.clusterSeed,
    })
    const second = await home.up({name: 'other', hosts: 0})
    expect(second.selectedContext).toBe('lattice-default')
  })

  test('a second time changes nothing, and starts only what is missing', async () => {
    const first = await home.up({hosts: 2})
    const again = await home.up({hosts: 2})
    expect(again).toEqual({...first, changed: false})
    await home.kill(0)
    const mended = await home.up({hosts: 2})
    expect(mended).toMatchObject({changed: true, server: first.server})
    expect(mended.hosts.map(({id}) => id)).toEqual(first.hosts.map(({id}) => id))
    expect(mended.hosts[1]?.pid).toBe(first.hosts[1]?.pid)
  })

  test('two at the same moment make one lattice', async () => {
    const both = await Promise.all([home.up(), home.up()])
    expect(both[0].server).toEqual(both[1].server)
    expect(both[0].hosts).toEqual(both[1].hosts)
    expect(both.map(({changed}) => changed).sort()).toEqual([false, true])
    expect(home.events).toContainEqual({kind: 'waiting', pid: process.pid})
  })

  test('after a power cut keys, port, data, hosts and what ran on them are back', async () => {
    const first = await home.up({hosts: 2})
    const before = await home.state()
    const nc = await openConnection(embeddedSpec(before))
    await nc.request('$JS.API.STREAM.CREATE.KEEP', JSON.stringify({name: 'KEEP', subjects: ['keep']}))
    await nc.request('keep', 'this')
    await nc.close()
    await home.kill('all')
    const second = await home.up({hosts: 2})
    expect(second).toMatchObject({changed: true, port: first.port, issuer: first.issuer, url: first.url})
    expect(second.hosts.map(({id}) => id)).toEqual(first.hosts.map(({id}) => id))
    expect(second.server.id).not.toBe(first.server.id)
    const after = await openConnection(embeddedSpec(await home.state()))
    const info = (await after.request('$JS.API.STREAM.INFO.KEEP')).json<{state: {messages: number}}>()
    await after.close()
    expect(info.state.messages).toBe(1)
    expect(await readFile(join(before.folder, 'host-0.json.starts'), 'utf8')).toBe('new\nrestored\n')
  })

  test('a pid that now belongs to another process is neither trusted nor touched', async () => {
    await home.up()
    await home.kill('all')
    const {server, ...state} = await home.state()
    if (server === undefined) throw new Error('The server was not recorded.')
    const ours = {pid: process.pid, startTime: 'long ago'}
    const reused = {...state, server: {...server, ...ours}, hosts: state.hosts.map((host) => ({...host, ...ours}))}
    await writeState(reused)
    expect(await embeddedStatus('default')).toMatchObject({state: 'stopped'})
    expect(await home.down()).toMatchObject({changed: false})
    await writeState(reused)
    expect(await home.up()).toMatchObject({changed: true})
  })

  test('without a port it keeps the one it had', async () => {
    const first = await home.up({hosts: 0})
    await home.down()
    expect(await home.up({hosts: 0, port: undefined})).toMatchObject({port: first.port})
  })

  test('an ephemeral lattice whose temp folder was cleaned away is made anew, and nothing of it keeps running', async () => {
    const first = await home.up({ephemeral: true})
    const old = processesOf(await home.state())
    await rm(first.folder, {recursive: true})
    const second = await home.up({ephemeral: true})
    expect(second.folder).not.toBe(first.folder)
    expect(await Promise.all(old.map(isRunning))).toEqual([false, false])
    expect((await readContext('lattice-default')).nats.url).toBe(second.url)
  })

  test('what an interrupted start left is removed by the next one', async () => {
    const left = `${embeddedFolder('default')}.0011223344ff.tmp`
    await mkdir(join(left, 'keys'), {recursive: true})
    await home.up({hosts: 0})
    await expect(stat(left)).rejects.toThrow('ENOENT')
  })

  test('folders with spaces, quotes and other letters work', async () => {
    process.env['XDG_STATE_HOME'] = join(home.path, `st "ate' é$HOME`)
    expect(await home.up()).toMatchObject({changed: true})
    expect(await home.down({purge: true})).toMatchObject({changed: true})
  })
})
