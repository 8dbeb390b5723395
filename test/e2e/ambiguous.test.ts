import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'

import {controlSubjects} from '../../src/lib/control/subjects.js'
import {startStory, type Story} from '../support/story.js'

let story: Story

beforeAll(async () => {
  story = await startStory()
})

afterAll(async () => {
  await story[Symbol.asyncDispose]()
})

beforeEach(() => story.shareEcho(10))

test.each([
  [
    ['stop', 'echo'],
    ['lattice stop echo@1.0.0', 'lattice stop echo@2.0.0', 'lattice stop echo --all-versions'],
    [{'2.0.0': 10}, {'1.0.0': 10}, {}],
  ],
  [
    ['scale', 'echo', '--count', '3'],
    [
      'lattice scale echo --version 1.0.0 --count 3',
      'lattice scale echo --version 2.0.0 --count 3',
      'lattice scale echo --all-versions --count 3',
    ],
    [
      {'1.0.0': 3, '2.0.0': 10},
      {'1.0.0': 10, '2.0.0': 3},
      {'1.0.0': 3, '2.0.0': 3},
    ],
  ],
])('%j of two versions exits 3, changes nothing, and each line it gives works', async (words, lines, outcomes) => {
  const failure = await story.cli.fails(3, ...words)
  expect(failure).toMatchObject({
    kind: 'ambiguous',
    suggestions: lines,
    details: {
      running: [
        {version: '1.0.0', host: story.host, count: 10},
        {version: '2.0.0', host: story.host, count: 10},
      ],
    },
  })
  expect(failure.message).toMatch(/^'echo' runs in 2 versions and none was named: 1\.0\.0 × 10 on .*2\.0\.0 × 10 on /)

  const shown = await story.cli.run(...words)
  expect(shown).toMatchObject({exitCode: 3, stdout: ''})
  const pasted = shown.stderr.split('\n').filter((line) => line.startsWith('  lattice '))
  expect(pasted.map((line) => line.trim())).toEqual(lines)
  expect(await story.running()).toEqual({'1.0.0': 10, '2.0.0': 10})

  for (const [index, line] of pasted.entries()) {
    expect(await story.cli.paste(line)).toMatchObject({exitCode: 0})
    expect(await story.running()).toEqual(outcomes[index])
    await story.shareEcho(10)
  }
})

test('the lines act on the lattice that the refused command named, whatever is selected', async () => {
  const failure = await story.cli.fails(3, 'stop', 'echo', '--context', 'lattice-default')
  expect(failure.suggestions[0]).toBe('lattice stop echo@1.0.0 --context lattice-default')
})

test('a dry run is refused like the real one', async () => {
  const {suggestions} = await story.cli.fails(3, 'stop', 'echo', '--dry-run')
  expect(suggestions).toContain('lattice stop echo@1.0.0')
})

test.each([
  ['sa', {count: 0}],
  ['scale', {count: 3}],
  ['scale', {count: 0}],
] as const)('the host refuses a raw %s of several versions that names none, %j', async (command, more) => {
  const subject = controlSubjects('default').command(story.host, command)
  const body = {[command === 'sa' ? 'actor_ref' : 'actor_id']: story.key, host_id: story.host, ...more}
  const answer = await story.connection.request(subject, JSON.stringify(body), {timeout: 5000})
  expect(answer.json()).toEqual({
    accepted: false,
    error: "'echo' runs here in 2 versions (1.0.0 × 10, 2.0.0 × 10), and the request names none.",
    candidates: [
      {version: '1.0.0', count: 10},
      {version: '2.0.0', count: 10},
    ],
  })
  expect(await story.running()).toEqual({'1.0.0': 10, '2.0.0': 10})
})

test('with one version running, neither needs a version', async () => {
  await story.cli.ok('stop', 'echo@2.0.0')
  expect(await story.cli.ok('scale', 'echo', '--count', '4')).toMatchObject({changed: true})
  expect(await story.running()).toEqual({'1.0.0': 4})
  await story.cli.ok('stop', 'echo')
  expect(await story.running()).toEqual({})
  expect(await story.cli.ok('stop', 'echo')).toMatchObject({changed: false, changes: []})
})

test('a version that is given twice is a usage error', async () => {
  const failure = await story.cli.fails(2, 'stop', 'echo@1.0.0', '--version', '2.0.0')
  expect(failure.message).toContain('given twice')
})
