import {readFile, writeFile} from 'node:fs/promises'

import {expect, test} from 'vitest'

import type {LatticeCommand} from '../../src/lib/cli/command.js'
import {commandTable} from '../../src/lib/cli/table.js'
import {exitCodes} from '../../src/lib/errors.js'

const file = new URL('commands.json', import.meta.url)

interface Described {
  readonly json: boolean
  readonly args: readonly string[]
  readonly flags: Readonly<Record<string, string>>
}

/** Arguments in order, and each flag with what a script depends on: letter, kind, choices, default. */
async function describeCommands(): Promise<Record<string, Described>> {
  const commands = await Promise.all(
    Object.entries(commandTable).map(async ([words, load]) => {
      const {args, flags, baseFlags, enableJsonFlag} = (await load()).default as unknown as typeof LatticeCommand
      const described: Described = {
        json: enableJsonFlag,
        args: Object.entries(args).map(([name, {required}]) => (required ? name : `[${name}]`)),
        flags: Object.fromEntries(
          Object.entries({...baseFlags, ...flags})
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, flag]) => [name, describeFlag(flag)]),
        ),
      }
      return [words, described] as const
    }),
  )
  return Object.fromEntries(commands)
}

function describeFlag(flag: (typeof LatticeCommand.flags)[string]): string {
  const parts = [
    flag.type === 'boolean' ? 'boolean' : `value${flag.multiple === true ? 's' : ''}`,
    flag.char === undefined ? '' : `-${flag.char}`,
    flag.required === true ? 'required' : '',
    flag.type === 'option' && flag.options !== undefined ? flag.options.join('|') : '',
    flag.default === undefined || typeof flag.default === 'function' ? '' : `default ${JSON.stringify(flag.default)}`,
    flag.type === 'boolean' && flag.allowNo ? 'no-' : '',
  ]
  return parts.filter((part) => part !== '').join(' ')
}

// Commands, arguments and flags only get added. UPDATE_CONTRACT=1 writes the file anew, for a change that is meant.
test('commands, arguments and flags are those that scripts know', async () => {
  const described = await describeCommands()
  if (process.env['UPDATE_CONTRACT'] === '1') await writeFile(file, `${JSON.stringify(described, undefined, 2)}\n`)
  expect(described).toEqual(JSON.parse(await readFile(file, 'utf8')))
})

test('exit codes are those that scripts know', () => {
  expect(exitCodes).toEqual({
    bug: 1,
    server: 1,
    usage: 2,
    ambiguous: 3,
    notFound: 4,
    conflict: 5,
    timeout: 6,
    gateFailed: 7,
    partial: 8,
    unsafe: 9,
    paused: 10,
    connection: 11,
    differs: 20,
    interrupted: 130,
  })
})
