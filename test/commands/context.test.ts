import {readFile} from 'node:fs/promises'
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

test('a context that is not there exits 4, with and without --json', async () => {
  for (const form of [[], ['--json']]) {
    expect(await context(ContextShow, 'nope', ...form)).toMatchObject({exitCode: 4})
    expect(await context(ContextUse, 'nope', ...form)).toMatchObject({exitCode: 4})
  }
  expect((await context(ContextLs, '--json')).json()).toEqual({contexts: []})
})
