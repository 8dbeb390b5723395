import {readdir, readFile, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, test} from 'vitest'

import {listContexts, selectContext, selectedContext, writeContext} from '../../../src/lib/nats/context-files.js'
import {embeddedFolder, readState} from '../../../src/lib/server/embedded-state.js'
import {embeddedStatus} from '../../../src/lib/server/status.js'
import {useEmbeddedHome} from '../../support/embedded-home.js'

const home = useEmbeddedHome()

describe('down', () => {
  test('when nothing runs it changes nothing', async () => {
    expect(await home.down()).toEqual({lattice: 'default', changed: false, hosts: [], removed: false, dryRun: false})
  })

  test('ends hosts before the server, keeps keys and data, and the second time changes nothing', async () => {
    const {server, hosts, folder} = await home.up()
    expect(await home.down()).toEqual({
      lattice: 'default',
      changed: true,
      server: server.pid,
      hosts: hosts.map(({id}) => id),
      removed: false,
      dryRun: false,
    })
    expect(await readFile(join(folder, 'host-0.json.starts'), 'utf8')).toBe('new\ndrained\n')
    expect(await embeddedStatus('default')).toMatchObject({state: 'stopped', server: {running: false}})
    expect(await home.down()).toMatchObject({changed: false})
    expect(home.events.map(({kind}) => kind)).not.toContain('killed')
  })

  test('with purge removes keys, data and contexts, of a named store only what the server put there', async () => {
    const storeDir = join(home.path, 'store')
    await home.up({storeDir})
    await writeFile(join(storeDir, 'mine.txt'), '')
    expect(await home.down({purge: true})).toMatchObject({changed: true, removed: true})
    expect([await readState('default'), await listContexts(), await selectedContext()]).toEqual([
      undefined,
      [],
      undefined,
    ])
    expect(await readdir(storeDir)).toEqual(['mine.txt'])
  })

  test('removes an ephemeral lattice and its temp folder', async () => {
    const {folder} = await home.up({ephemeral: true})
    expect(folder.startsWith(embeddedFolder('default'))).toBe(false)
    expect(await home.down()).toMatchObject({changed: true, removed: true})
    await expect(stat(folder)).rejects.toThrow('ENOENT')
    expect([await readState('default'), await listContexts()]).toEqual([undefined, []])
  })

  test('leaves the selection alone when it is another context', async () => {
    await writeContext('mine', {url: 'nats://127.0.0.1:1'})
    await selectContext('mine')
    await home.up({ephemeral: true, hosts: 0})
    await home.down()
    expect(await selectedContext()).toBe('mine')
  })
})

test('status tells absent, running, partial and stopped apart', async () => {
  expect(await embeddedStatus('default')).toEqual({lattice: 'default', state: 'absent', others: []})
  await home.up()
  expect(await embeddedStatus('default')).toMatchObject({
    state: 'running',
    selected: true,
    hosts: [{running: true, answers: true}],
  })
  await home.kill(0)
  expect(await embeddedStatus('default')).toMatchObject({state: 'partial'})
  await home.down()
  expect(await embeddedStatus('default')).toMatchObject({state: 'stopped'})
  expect(await embeddedStatus('other')).toMatchObject({state: 'absent', others: ['default']})
})
