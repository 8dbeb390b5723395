import {mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {describe, expect, test} from 'vitest'

import {listContexts, readContext, writeContext} from '../../../src/lib/nats/context-files.js'
import {embeddedFolder, readState} from '../../../src/lib/server/embedded-state.js'
import {embeddedStatus} from '../../../src/lib/server/status.js'
import type {UpOptions} from '../../../src/lib/server/up.js'
import {occupy, useEmbeddedHome} from '../../support/embedded-home.js'
import {freePort} from '../../support/nats-server.js'

const home = useEmbeddedHome()

describe('up refuses', () => {
  test('a port that is in use, and leaves nothing behind', async () => {
    const port = await freePort()
    await using _other = await occupy(port)
    await expect(home.up({port})).rejects.toMatchObject({
      kind: 'conflict',
      message: `Port ${port} is in use.`,
      suggestions: ['lattice up --name default --port 0'],
    })
    expect(await readState('default')).toBeUndefined()
    expect(await listContexts()).toEqual([])
  })

  test('to take another port when its own is in use, unless told so', async () => {
    const {port} = await home.up({hosts: 0})
    await home.down()
    await using _other = await occupy(port)
    await expect(home.up({hosts: 0, port: undefined})).rejects.toMatchObject({kind: 'conflict'})
    expect((await home.up({hosts: 0, port: 0})).port).not.toBe(port)
    expect((await readContext('lattice-default')).nats.url).not.toContain(`:${port}`)
  })

  test.each<[string, Partial<UpOptions>]>([
    ['another port', {port: 1}],
    ['fewer hosts', {hosts: 0}],
    ['ephemeral', {ephemeral: true}],
    ['another store', {storeDir: '/elsewhere'}],
    ['other issuers', {allowedIssuers: ['AA']}],
  ])('to change %s while it runs', async (_what, asked) => {
    await home.up({hosts: 1})
    await expect(home.up({hosts: 1, ...asked})).rejects.toMatchObject({kind: 'conflict'})
    expect(await embeddedStatus('default')).toMatchObject({state: 'running'})
  })

  test('a context of the same name that is not its own', async () => {
    await writeContext('lattice-default', {url: 'nats://prod:4222'})
    await expect(home.up()).rejects.toMatchObject({kind: 'conflict', details: {context: 'lattice-default'}})
    expect((await readContext('lattice-default')).nats).toEqual({url: 'nats://prod:4222'})
  })

  test('a state folder that is not its own', async () => {
    await mkdir(embeddedFolder('default'), {recursive: true})
    await writeFile(join(embeddedFolder('default'), 'thesis.txt'), 'precious')
    await expect(home.up()).rejects.toMatchObject({kind: 'server'})
    await expect(home.down({purge: true})).rejects.toMatchObject({kind: 'server'})
    expect(await readdir(embeddedFolder('default'))).toEqual(['thesis.txt'])
  })

  test('a store folder that already holds another JetStream', async () => {
    const storeDir = join(home.path, 'store')
    await mkdir(join(storeDir, 'jetstream'), {recursive: true})
    await expect(home.up({storeDir})).rejects.toMatchObject({kind: 'unsafe'})
    expect(await readState('default')).toBeUndefined()
  })
})

describe('up says what went wrong', () => {
  test('when the server ends at start: its last lines, and nothing is left', async () => {
    const binary = join(home.path, 'nats-server')
    await writeFile(
      binary,
      '#!/bin/sh\n[ "$1" = -v ] && echo "nats-server: v2.15.2" && exit\necho "[1] 2026/01/01 00:00:00.0 [FTL] no luck today" >&2\nexit 1\n',
      {mode: 0o755},
    )
    process.env['LATTICE_NATS_SERVER'] = binary
    await expect(home.up()).rejects.toMatchObject({
      kind: 'server',
      message: 'The nats-server ended at start: no luck today.',
    })
    expect(home.events).toContainEqual(
      expect.objectContaining({kind: 'log', lines: [expect.stringContaining('no luck today')]}),
    )
    expect([await readState('default'), await listContexts()]).toEqual([undefined, []])
  })

  test('when the server never answers', async () => {
    const binary = join(home.path, 'nats-server')
    await writeFile(binary, '#!/bin/sh\n[ "$1" = -v ] && echo "nats-server: v2.15.2" && exit\nexec sleep 60\n', {
      mode: 0o755,
    })
    process.env['LATTICE_NATS_SERVER'] = binary
    await expect(home.up({timeoutMs: 300})).rejects.toMatchObject({
      kind: 'server',
      message: expect.stringContaining('did not answer in time') as unknown,
    })
    expect(await readState('default')).toBeUndefined()
  })

  test('when a host ends at start: its last lines, and the server is ended too', async () => {
    const folder = join(home.path, 'fatal')
    await mkdir(folder)
    await expect(home.up({allowFiles: [folder]})).rejects.toMatchObject({
      message: expect.stringContaining('ends as it was told') as unknown,
    })
    expect(home.events).toContainEqual(
      expect.objectContaining({
        kind: 'log',
        lines: expect.arrayContaining(['The peer host ends as it was told.']) as unknown,
      }),
    )
    expect(await readState('default')).toBeUndefined()
  })

  test('when there is no nats-server and none may be fetched', async () => {
    process.env['PATH'] = home.path
    process.env['XDG_CACHE_HOME'] = join(home.path, 'cache')
    Reflect.deleteProperty(process.env, 'LATTICE_NATS_SERVER')
    await expect(home.up()).rejects.toMatchObject({
      kind: 'server',
      message: expect.stringContaining('offline') as unknown,
    })
  })
})
