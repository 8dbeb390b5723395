import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterEach, beforeEach, expect, test} from 'vitest'

import ContextLs from '../../src/commands/context/ls.js'
import ContextShow from '../../src/commands/context/show.js'
import ContextUse from '../../src/commands/context/use.js'
import {writeContext} from '../../src/lib/nats/context-files.js'
import {run, type RunResult} from '../support/run.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

const before = process.env['XDG_CONFIG_HOME']
let folder: TempFolder

beforeEach(async () => {
  folder = await tempFolder()
  process.env['XDG_CONFIG_HOME'] = folder.path
})

afterEach(async () => {
  if (before === undefined) Reflect.deleteProperty(process.env, 'XDG_CONFIG_HOME')
  else process.env['XDG_CONFIG_HOME'] = before
  await folder[Symbol.asyncDispose]()
})

const context = (command: Parameters<typeof run>[0], ...argv: string[]): Promise<RunResult> =>
  run(command, argv, {LATTICE_CONTEXT: undefined})

test('a context is listed, selected and shown, and the nats tool finds the selection', async () => {
  await writeContext('a', {url: 'nats://a:4222', description: 'first'})
  await writeContext('b', {url: 'nats://b:4222'}, {lattice: 'blue'})
  expect((await context(ContextLs)).stdout).toBe('\ta\tdefault\tnats://a:4222\tfirst\n\tb\tblue\tnats://b:4222\t\n')
  expect(await context(ContextShow)).toMatchObject({exitCode: 4})
  expect((await context(ContextUse, 'b', '--json')).json()).toMatchObject({context: 'b', changed: true})
  expect((await context(ContextUse, 'b', '--json')).json()).toMatchObject({context: 'b', previous: 'b', changed: false})
  expect((await readFile(join(folder.path, 'nats', 'context.txt'), 'utf8')).trim()).toBe('b')
  expect((await context(ContextShow)).stdout).toMatch(/^context +b \(selected\)\n/)
  expect((await context(ContextLs)).stdout).toContain('*\tb\tblue')
})

test('no secret of a context is shown', async () => {
  const secrets = {url: 'nats://me:hunter2@a:4222', token: 'hunter2', password: 'hunter2', user_seed: 'hunter2'}
  await writeContext('a', {...secrets, user: 'me'})
  for (const argv of [['a'], ['a', '--json']]) {
    const {stdout} = await context(ContextShow, ...argv)
    expect(stdout).not.toContain('hunter2')
    expect(stdout).toContain('set')
  }
  expect((await context(ContextLs, '--json')).stdout).not.toContain('hunter2')
})

test('a user without a password is a token, and no text of a key is shown', async () => {
  await writeContext('a', {url: 'nats://a:4222', user: 'hunter2'})
  for (const argv of [['a'], ['a', '--json'], ['a', '--effective'], ['a', '--effective', '--json']]) {
    const {exitCode, stdout} = await context(ContextShow, ...argv)
    expect(exitCode).toBe(0)
    expect(stdout).not.toContain('hunter2')
  }
  const key = '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n'
  const {stdout} = await run(ContextShow, ['a', '--effective'], {NATS_CERT: 'cert.pem', NATS_KEY: key, NATS_CA: key})
  expect(stdout).toMatch(/^tls-key +set /m)
  expect(stdout).not.toMatch(/hunter2|PRIVATE/)
})

test('only a context by name is selected, because nats knows no other', async () => {
  const file = join(folder.path, 'ci.json')
  await writeFile(file, '{"url": "nats://a"}')
  for (const form of [[], ['--dry-run']]) {
    expect(await context(ContextUse, file, ...form)).toMatchObject({exitCode: 2})
  }
  await expect(readFile(join(folder.path, 'nats', 'context.txt'))).rejects.toThrow('ENOENT')
})

test('a context that is not there exits 4, with and without --json', async () => {
  for (const form of [[], ['--json']]) {
    expect(await context(ContextShow, 'nope', ...form)).toMatchObject({exitCode: 4})
    expect(await context(ContextUse, 'nope', ...form)).toMatchObject({exitCode: 4})
  }
  expect((await context(ContextLs, '--json')).json()).toEqual({contexts: []})
})
