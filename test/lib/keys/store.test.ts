import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {expect, test} from 'vitest'

import {ensureKeyFile, moduleKeyFile, userIssuerFile, userIssuerKey} from '../../../src/lib/keys/store.js'
import {tempFolder} from '../../support/temp.js'

test('a key is made on first use, in a file that only its owner reads, and is the same afterwards', async () => {
  await using config = await tempFolder()
  const first = await userIssuerKey(config.path)
  const file = userIssuerFile(config.path)
  expect(first.kind).toBe('A')
  expect((await userIssuerKey(config.path)).publicKey).toBe(first.publicKey)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(dirname(file))).mode & 0o777).toBe(0o700)
  expect(await readFile(file, 'utf8')).toBe(`${first.seed}\n`)
})

test('many at once get the same key, and nothing else is left in the folder', async () => {
  await using config = await tempFolder()
  const keys = await Promise.all(Array.from({length: 20}, () => userIssuerKey(config.path)))
  expect(new Set(keys.map(({publicKey}) => publicKey)).size).toBe(1)
  expect(await readdir(dirname(userIssuerFile(config.path)))).toEqual(['issuer.nk'])
})

test('each name has a key file of its own, inside of the folder', () => {
  const files = ['echo', 'Echo Server', '..', 'a.b'].map((name) => moduleKeyFile('/config', name))
  expect(new Set(files).size).toBe(4)
  for (const file of files) expect(dirname(file)).toBe('/config/lattice/keys/modules')
})

test.each(['', 'SECRET-TEXT', '\0'])('a file that holds no key is refused without showing it: %j', async (content) => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'issuer.nk')
  await writeFile(file, content)
  const message = `The key file "${file}" cannot be read as a seed of kind A.`
  await expect(ensureKeyFile(file, 'A')).rejects.toMatchObject({kind: 'usage', message})
  expect(await readFile(file, 'utf8')).toBe(content)
})

test('a key of another kind, a folder and a place that cannot be written are refused', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'module.nk')
  await ensureKeyFile(file, 'M')
  await expect(ensureKeyFile(file, 'A')).rejects.toMatchObject({kind: 'usage'})
  await mkdir(join(folder.path, 'folder'))
  await expect(ensureKeyFile(join(folder.path, 'folder'), 'A')).rejects.toMatchObject({kind: 'usage'})
  await expect(ensureKeyFile(join(file, 'below'), 'A')).rejects.toMatchObject({kind: 'usage'})
})
