import {globSync, readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {expect, test} from 'vitest'

import type {LatticeCommand} from '../../../src/lib/cli/command.js'
import {LocalCommand} from '../../../src/lib/cli/command.js'
import {commandTable} from '../../../src/lib/cli/table.js'

const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  oclif: {topics: Record<string, unknown>}
}
const folder = fileURLToPath(new URL('../../../src/commands', import.meta.url))

test('the table has every command of the folder, and nothing else', () => {
  const files = globSync('**/*.ts', {cwd: folder}).map((file) => file.replace(/\.ts$/, '').replaceAll(/[/\\]/g, ' '))
  expect(Object.keys(commandTable).sort()).toEqual(files.sort())
})

test('every topic is described', () => {
  const used = Object.keys(commandTable).flatMap((words) => (words.includes(' ') ? [words.split(' ')[0]!] : []))
  expect(Object.keys(manifest.oclif.topics).sort()).toEqual([...new Set(used)].sort())
})

test.each(Object.entries(commandTable))('%s explains itself', async (words, load) => {
  const {default: loaded} = await load()
  const command = loaded as unknown as typeof LatticeCommand
  expect(command.prototype).toBeInstanceOf(LocalCommand)
  expect(command.summary).toMatch(/^[A-Z].*\.$/)
  const examples = command.examples.map(String)
  expect(examples.length).toBeGreaterThanOrEqual(words === 'host run' ? 1 : 2)
  expect(examples.some((example) => example.includes('--json'))).toBe(true)
  for (const [name, flag] of Object.entries({...command.flags})) {
    expect({name, summary: flag.summary ?? flag.description}).toEqual({
      name,
      summary: expect.stringMatching(/\.$/) as unknown,
    })
  }
})
