import {expect, test} from 'vitest'

import {commandTable} from '../../../src/lib/cli/table.js'
import {completionModel} from '../../../src/lib/completion/generate.js'
import {describeCommands} from '../../../src/lib/completion/model.js'
import {recordKinds} from '../../../src/lib/records/registry.js'

const {commands, connection, topics} = await completionModel(commandTable)

function values(words: string, name: string): string | undefined {
  const command = commands.find((each) => each.words === words)!
  return [...command.args, ...command.flags].find((each) => each.name === name)?.values
}

test.each([
  ['cache get', 'kind', `words:${recordKinds.join('|')}`],
  ['cache get', 'key', 'names:record'],
  ['cache get', 'raw', undefined],
  ['call', 'entity', 'names:ref'],
  ['call', 'version', 'names:version'],
  ['claims inspect', 'file', 'files'],
  ['claims sign', 'version', 'none'],
  ['completion', 'shell', 'words:bash|fish|zsh'],
  ['context use', 'name', 'names:context'],
  ['down', 'name', 'names:embedded'],
  ['host inspect', 'host', 'names:host'],
  ['host run', 'allow-files', 'folders'],
  ['host run', 'host-seed-file', 'files'],
  ['link put', 'actor', 'names:actor'],
  ['link put', 'provider', 'names:provider'],
  ['route ab', 'legs', 'names:leg'],
  ['route ab', 'entity', 'names:entity'],
  ['route ab', 'versions', 'names:versions'],
  ['route bluegreen', 'entity', 'names:entity'],
  ['route bluegreen', 'to', 'names:version'],
  ['start', 'artifact', 'names:artifact'],
  ['stop', 'lattice', 'names:lattice'],
  ['stop', 'sys-context', 'names:context'],
  ['stop', 'creds', 'files'],
  ['stop', 'timeout', 'none'],
])('%s: %s takes %s', (words, name, expected) => {
  expect(values(words, name)).toBe(expected)
})

test('hidden commands and flags are not offered, and a topic of such commands alone is none', () => {
  expect(commands.map(({words}) => words)).not.toContain('completion refresh')
  expect(Object.keys(topics)).not.toContain('completion')
  const hidden = {type: 'boolean', hidden: true} as const
  const model = describeCommands({one: {flags: {seen: {type: 'boolean'}, hidden}}, two: {hidden: true}}, {})
  expect(model.commands.map(({words, flags}) => [words, flags.map(({name}) => name)])).toEqual([
    ['one', ['help', 'seen']],
  ])
})

test('what says where a command acts is known; what does not change the names is left out', () => {
  const scope = connection.filter((flag) => flag.scope).map(({name}) => name)
  expect(scope).toEqual(expect.arrayContaining(['context', 'creds', 'lattice', 'server']))
  for (const name of ['timeout', 'sys-creds', 'operator-seed-file', 'cluster-seed-file']) {
    expect(connection.map((flag) => flag.name)).toContain(name)
    expect(scope).not.toContain(name)
  }
})

test('a flag that can be denied is offered both ways', () => {
  const flags = commands.find(({words}) => words === 'stop')!.flags.map(({name}) => name)
  expect(flags).toEqual(expect.arrayContaining(['wait', 'no-wait', 'json', 'help']))
})
