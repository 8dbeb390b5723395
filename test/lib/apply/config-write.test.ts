import {chmod, chown, lstat, readFile, readdir, stat, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import {readMappingFile} from '../../../src/lib/apply/config-file.js'
import {replaceFile} from '../../../src/lib/apply/config-write.js'
import {tempFolder} from '../../support/temp.js'

test('a file is replaced as a whole, and keeps its mode', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'a.conf')
  await writeFile(file, 'old')
  await chmod(file, 0o664)
  await replaceFile(file, 'new', {expected: 'old', model: '/nowhere'})
  expect(await readFile(file, 'utf8')).toBe('new')
  expect((await stat(file)).mode & 0o777).toBe(0o664)
  expect(await readdir(folder.path)).toEqual(['a.conf'])
})

test.skipIf(process.getuid?.() !== 0)(
  'a file keeps its owner, or the server could not read it (needs root)',
  async () => {
    await using folder = await tempFolder()
    const [main, file] = [join(folder.path, 'server.conf'), join(folder.path, 'a.conf')]
    await writeFile(main, '')
    await chown(main, 4222, 4223)
    await chmod(main, 0o640)
    await replaceFile(file, 'new', {expected: undefined, model: main})
    expect(await stat(file)).toMatchObject({uid: 4222, gid: 4223, mode: 0o100640})
    await replaceFile(file, 'newer', {expected: 'new', model: '/nowhere'})
    expect(await stat(file)).toMatchObject({uid: 4222, gid: 4223, mode: 0o100640})
  },
)

test('what somebody else wrote stays, and nothing is left behind', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'a.conf')
  await writeFile(file, 'theirs')
  await expect(replaceFile(file, 'new', {expected: 'old', model: file})).rejects.toMatchObject({kind: 'conflict'})
  await expect(replaceFile(file, 'new', {expected: undefined, model: file})).rejects.toMatchObject({kind: 'conflict'})
  expect(await readFile(file, 'utf8')).toBe('theirs')
  expect(await readdir(folder.path)).toEqual(['a.conf'])
})

test('a file that cannot be written is named with its reason', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'a.conf')
  await writeFile(file, 'x')
  await expect(replaceFile(join(file, 'b.conf'), 'new', {expected: undefined, model: file})).rejects.toMatchObject({
    kind: 'connection',
    message: `The file '${join(file, 'b.conf')}' cannot be written (ENOTDIR).`,
  })
})

test('a link to our file stays a link', async () => {
  await using folder = await tempFolder()
  const [main, real, link] = ['server.conf', 'real.conf', 'lattice-mappings.conf'].map((name) =>
    join(folder.path, name),
  )
  await writeFile(main!, "include 'lattice-mappings.conf'\n")
  await writeFile(real!, 'mappings {a: b}')
  await symlink('real.conf', link!)
  const {path, text} = await readMappingFile(main!, {account: '$G'})
  await replaceFile(path, 'mappings {}', {expected: text, model: main!})
  expect((await lstat(link!)).isSymbolicLink()).toBe(true)
  expect(await readFile(real!, 'utf8')).toBe('mappings {}')
})
