import {execFileSync} from 'node:child_process'
import {mkdir, readFile, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'

import {afterEach, beforeEach, describe, expect, test} from 'vitest'

import {LatticeError} from '../../../src/lib/errors.js'
import {readArtifact, type ArtifactPolicy} from '../../../src/lib/host/artifact.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {writeProbe} from '../../support/actors.js'
import {compileGuest} from '../../support/guests.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let folder: TempFolder
let allowed: string
let outside: string
const issuer = createKey('A')
const secret = 'the secret of this machine'
beforeEach(async () => {
  folder = await tempFolder()
  ;[allowed, outside] = [join(folder.path, 'allowed'), join(folder.path, 'outside')]
  await Promise.all([mkdir(allowed), mkdir(outside)])
})
afterEach(async () => {
  await folder[Symbol.asyncDispose]()
})

function read(ref: string, policy: Partial<ArtifactPolicy> = {}): Promise<unknown> {
  return readArtifact(ref, {allowFiles: [allowed], allowedIssuers: new Set(), ...policy}, Date.now())
}

/** The sentence of a refusal. */
async function refusal(ref: string, policy: Partial<ArtifactPolicy> = {}): Promise<string> {
  const error = await read(ref, policy).catch((thrown: unknown) => thrown)
  if (!(error instanceof LatticeError)) throw new Error('It was not refused.', {cause: error})
  expect(error.message).not.toContain(secret)
  return error.message
}

describe('a signed module in an allowed folder is read', () => {
  test('by its reference and by its path', async () => {
    const {ref, key} = await writeProbe(allowed, {version: '3.1.0'})
    expect(await read(ref)).toMatchObject({ref, claims: {key, version: '3.1.0', name: 'probe'}})
    expect(await read(decodeURIComponent(new URL(ref).pathname))).toMatchObject({claims: {key}})
  })

  test('through a link that stays inside, and a folder that is itself one', async () => {
    const {ref} = await writeProbe(allowed)
    const path = decodeURIComponent(new URL(ref).pathname)
    await symlink(path, join(allowed, 'inside.wasm'))
    await symlink(allowed, join(folder.path, 'alias'))
    await expect(read(join(allowed, 'inside.wasm'))).resolves.toBeDefined()
    await expect(read(join(allowed, 'inside.wasm'), {allowFiles: [join(folder.path, 'alias')]})).resolves.toBeDefined()
    await expect(read(join(folder.path, 'alias', 'inside.wasm'))).resolves.toBeDefined()
  })
})

describe('what is refused', () => {
  test('everything, when no folder is allowed', async () => {
    const {ref} = await writeProbe(allowed)
    expect(await refusal(ref, {allowFiles: []})).toBe('This host opens no files.')
  })

  test('files outside, there or not, by whatever way they are named', async () => {
    const {ref} = await writeProbe(outside)
    const path = decodeURIComponent(new URL(ref).pathname)
    await symlink(path, join(allowed, 'leads-out.wasm'))
    await symlink(outside, join(allowed, 'folder'))
    await writeFile(join(`${allowed}-sibling`), secret)
    const names = [
      path,
      join(allowed, 'leads-out.wasm'),
      join(allowed, '..', 'outside', 'x'),
      `${allowed}-sibling`,
      '/etc/passwd',
    ]
    for (const name of [...names, join(allowed, 'folder', path.slice(outside.length + 1))]) {
      expect(await refusal(pathToFileURL(name).href)).toMatch(/outside of the folders/)
    }
    expect(await refusal('/nowhere/at/all')).toMatch(/outside of the folders/)
  })

  test('what is no file, and what is not there', async () => {
    await mkdir(join(allowed, 'sub'))
    execFileSync('mkfifo', [join(allowed, 'pipe')])
    expect(await refusal(join(allowed, 'sub'))).toMatch(/is not a file/)
    expect(await refusal(join(allowed, 'pipe'))).toMatch(/is not a file/)
    expect(await refusal(join(allowed, 'none.wasm'))).toMatch(/There is no file/)
    expect(await refusal(allowed)).toMatch(/outside of the folders/)
  })

  test('references of other kinds', async () => {
    expect(await refusal('reg/echo:1.0.0')).toMatch(/is no file/)
    expect(await refusal('https://example.com/x.wasm')).toMatch(/is no file/)
    expect(await refusal('file://other-host/x.wasm')).toMatch(/not a reference to a local file/)
  })

  test('text, unsigned modules and changed ones, without a word of what they hold', async () => {
    await writeFile(join(allowed, 'text.wasm'), secret)
    await writeFile(join(allowed, 'unsigned.wasm'), await compileGuest('probe'))
    const {ref} = await writeProbe(allowed, {name: 'changed'})
    const path = decodeURIComponent(new URL(ref).pathname)
    const bytes = await readFile(path)
    const at = bytes.indexOf('unknown operation', 0, 'utf16le')
    bytes.write('X', at, 'utf16le')
    await writeFile(path, bytes)
    expect(await refusal(join(allowed, 'text.wasm'))).toMatch(/^The module is refused: /)
    expect(await refusal(join(allowed, 'unsigned.wasm'))).toMatch(/not signed/)
    expect(await refusal(ref)).toMatch(/changed after it was signed/)
  })

  test('modules of who is not among the allowed issuers', async () => {
    const mine = await writeProbe(allowed, {name: 'mine', issuer})
    const other = await writeProbe(allowed, {name: 'theirs'})
    const policy = {allowedIssuers: new Set([issuer.publicKey])}
    await expect(read(mine.ref, policy)).resolves.toBeDefined()
    expect(await refusal(other.ref, policy)).toMatch(/whose modules this host does not run/)
  })
})
