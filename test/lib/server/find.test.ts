import {mkdir, writeFile} from 'node:fs/promises'
import {delimiter, join} from 'node:path'

import {expect, test} from 'vitest'

import {cachedPath, findNatsServer, isGoodVersion} from '../../../src/lib/server/find.js'
import {pinnedVersion, wheelVersion} from '../../../src/lib/server/pins.js'
import {tempFolder} from '../../support/temp.js'

/** A program that answers `-v` as nats-server does. */
async function program(folder: string, version: string): Promise<string> {
  await mkdir(folder, {recursive: true})
  const path = join(folder, 'nats-server')
  await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`, {mode: 0o755})
  return path
}

test('LATTICE_NATS_SERVER comes before PATH, PATH before the cache', async () => {
  await using folder = await tempFolder()
  const named = await program(join(folder.path, 'named'), '2.10.3')
  const onPath = await program(join(folder.path, 'path'), '2.14.9')
  const cached = await program(join(folder.path, 'cache', pinnedVersion), pinnedVersion)
  const cacheFolder = join(folder.path, 'cache')
  const PATH = join(folder.path, 'path')
  const find = (env: NodeJS.ProcessEnv) => findNatsServer({env, cacheFolder})
  expect(await find({PATH, LATTICE_NATS_SERVER: named})).toEqual({
    path: named,
    version: '2.10.3',
    from: 'LATTICE_NATS_SERVER',
  })
  expect(await find({PATH})).toEqual({path: onPath, version: '2.14.9', from: 'PATH'})
  expect(await find({})).toEqual({path: cached, version: pinnedVersion, from: 'cache'})
  expect(await findNatsServer({env: {}, cacheFolder: PATH})).toBeUndefined()
})

test('an unsuitable server on PATH is passed over for a later one', async () => {
  await using folder = await tempFolder()
  await program(join(folder.path, 'old'), '2.9.10')
  const good = await program(join(folder.path, 'good'), '2.15.1')
  const PATH = [join(folder.path, 'missing'), join(folder.path, 'old'), join(folder.path, 'good')].join(delimiter)
  expect(await findNatsServer({env: {PATH}, cacheFolder: folder.path})).toMatchObject({path: good})
})

test('the pinned version in the cache comes before that of the wheel', async () => {
  await using folder = await tempFolder()
  await program(join(folder.path, wheelVersion), wheelVersion)
  expect(await findNatsServer({env: {}, cacheFolder: folder.path})).toMatchObject({version: wheelVersion})
  await program(join(folder.path, pinnedVersion), pinnedVersion)
  expect(await findNatsServer({env: {}, cacheFolder: folder.path})).toMatchObject({
    path: cachedPath(folder.path, pinnedVersion),
  })
})

test.each([
  ['nothing', undefined],
  ['an old server', '2.9.10'],
])('LATTICE_NATS_SERVER that names %s is a usage error', async (_what, version) => {
  await using folder = await tempFolder()
  const path = version === undefined ? join(folder.path, 'none') : await program(folder.path, version)
  await expect(findNatsServer({env: {LATTICE_NATS_SERVER: path}})).rejects.toMatchObject({kind: 'usage'})
})

test.each([
  ['2.14.8', true],
  ['2.14.7', false],
  ['2.15.0', false],
  ['2.15.0-RC.1', false],
  ['2.15.1', true],
  ['2.9.25', false],
  ['3.0.0', true],
])('%s on PATH is suitable: %s', (version, good) => {
  expect(isGoodVersion(version)).toBe(good)
})
