import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, writeFileSync} from 'node:fs'
import {mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {expect, test} from 'vitest'

import {listContexts} from '../../../src/lib/nats/context-files.js'
import {readState} from '../../../src/lib/server/embedded-state.js'
import {useEmbeddedHome} from '../../support/embedded-home.js'
import {tempFolder} from '../../support/temp.js'

const home = useEmbeddedHome()

/** A file system of its own of 256 kB, full but for `freeBytes`; only root on Linux may make one. */
function smallDisk(path: string, freeBytes: number): Disposable {
  mkdirSync(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path], {stdio: 'ignore'})
  writeFileSync(join(path, 'fill'), Buffer.alloc(256 * 1024 - freeBytes))
  return {[Symbol.dispose]: () => void execFileSync('umount', ['-l', path], {stdio: 'ignore'})}
}

const canMount = await (async (): Promise<boolean> => {
  await using folder = await tempFolder()
  try {
    smallDisk(join(folder.path, 'disk'), 0)[Symbol.dispose]()
    return true
  } catch {
    return false
  }
})()

test.skipIf(!canMount)(
  'a full disk under the state folder is said so, and nothing is left (needs root to mount)',
  async () => {
    const path = join(home.path, 'disk')
    using _disk = smallDisk(path, 0)
    process.env['XDG_STATE_HOME'] = join(path, 'state')
    await expect(home.up()).rejects.toMatchObject({
      kind: 'server',
      message: "Could not bring up lattice 'default': the disk is full.",
    })
    expect([await readState('default'), await listContexts()]).toEqual([undefined, []])
  },
)

test.skipIf(!canMount)(
  'a disk that fills while the keys are written leaves no half-made lattice (needs root to mount)',
  async () => {
    const path = join(home.path, 'disk')
    using _disk = smallDisk(path, 24 * 1024)
    process.env['XDG_STATE_HOME'] = join(path, 'state')
    await expect(home.up()).rejects.toMatchObject({
      kind: 'server',
      message: expect.stringContaining('disk is full') as unknown,
    })
    expect(await readdir(join(path, 'state', 'lattice'))).toEqual([])
  },
)

test.skipIf(!canMount)(
  'a store folder on a full disk is refused before the server starts (needs root to mount)',
  async () => {
    const path = join(home.path, 'disk')
    using _disk = smallDisk(path, 8 * 1024)
    const storeDir = join(path, 'store')
    await expect(home.up({storeDir})).rejects.toMatchObject({
      kind: 'server',
      message: expect.stringMatching(/^The disk of '.*store' is full/) as unknown,
    })
    expect(existsSync(join(storeDir, 'lattice-store.json'))).toBe(false)
    expect(await readState('default')).toBeUndefined()
  },
)

test('a state folder that cannot be made is one sentence', async () => {
  await writeFile(join(home.path, 'file'), '')
  process.env['XDG_STATE_HOME'] = join(home.path, 'file', 'state')
  await expect(home.up()).rejects.toMatchObject({
    kind: 'server',
    message: expect.stringContaining('not a folder') as unknown,
  })
})

test('a store folder that cannot be made is one sentence, and the next up may name another', async () => {
  await writeFile(join(home.path, 'file'), '')
  await mkdir(join(home.path, 'good'))
  await expect(home.up({storeDir: join(home.path, 'file', 'store')})).rejects.toMatchObject({kind: 'server'})
  expect(await home.up({storeDir: join(home.path, 'good'), hosts: 0})).toMatchObject({changed: true})
})
