import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'

import {echoModule, startStory, type Story} from '../support/story.js'

let story: Story

beforeAll(async () => {
  story = await startStory()
})

afterAll(async () => {
  await story[Symbol.asyncDispose]()
})

// Every test begins with both versions, each with half of the traffic.
beforeEach(async () => {
  await story.shareEcho(10)
  await story.cli.ok('route', 'ab', '50/50')
})

async function liveLegs(): Promise<unknown> {
  return (await story.cli.ok<{effective: {legs: unknown}}>('route', 'show', 'echo')).effective.legs
}

test('no command takes the last instance of a version with weight away, until the line it gives was run', async () => {
  const commands = [
    ['stop', 'echo@1.0.0'],
    ['scale', 'echo', '--version', '1.0.0', '--count', '0'],
    ['stop', 'echo', '--all-versions'],
    ['stop', 'echo@1.0.0', '--dry-run'],
  ]
  const failures = await Promise.all(commands.map((words) => story.cli.fails(9, ...words)))
  for (const failure of failures) {
    expect(failure).toEqual({
      kind: 'unsafe',
      message: "'echo@1.0.0' has 50 % of the traffic of route 'echo', and this would take its last instance away.",
      suggestions: ['lattice route bluegreen echo --to 2.0.0', 'lattice route show echo', '--allow in-use'],
      details: {entity: 'echo', key: story.key, version: '1.0.0', weight: 50},
    })
  }
  expect(await story.running()).toEqual({'1.0.0': 10, '2.0.0': 10})

  expect(await story.cli.paste(failures[0]!.suggestions[0]!)).toMatchObject({exitCode: 0})
  const stopped = await story.cli.ok<{changed: boolean; undo: string[]}>('stop', 'echo@1.0.0')
  expect(stopped.changed).toBe(true)
  // What comes back must not take traffic, whatever became of the route meanwhile.
  expect(stopped.undo).toEqual([expect.stringMatching(/^lattice start .* --dark$/)])
  expect(await story.running()).toEqual({'2.0.0': 10})
})

test('--allow in-use stops a version with weight all the same', async () => {
  const stopped = await story.cli.ok('stop', 'echo@1.0.0', '--allow', 'in-use')
  expect(stopped).toMatchObject({changed: true, changes: [{version: '1.0.0', to: 0}]})
  expect(await story.running()).toEqual({'2.0.0': 10})
})

test('a version with weight may be scaled to more than nothing', async () => {
  expect(await story.cli.ok('scale', 'echo@1.0.0', '--count', '3')).toMatchObject({changed: true})
})

test('no route is cleared while two versions listen on the source; with one left the mapping goes', async () => {
  const failure = await story.cli.fails(9, 'route', 'clear', 'echo')
  expect(failure).toMatchObject({kind: 'unsafe', details: {versions: ['1.0.0', '2.0.0']}})
  expect(failure.suggestions).toEqual([
    'lattice route bluegreen echo --to 1.0.0',
    'lattice route bluegreen echo --to 2.0.0',
    'lattice route clear echo --share',
  ])
  expect(await liveLegs()).toEqual([
    {version: '1.0.0', weight: 50},
    {version: '2.0.0', weight: 50},
  ])

  await story.cli.ok('route', 'bluegreen', 'echo', '--to', '1.0.0')
  await story.cli.fails(9, 'route', 'clear', 'echo')
  await story.cli.ok('stop', 'echo@2.0.0')
  expect(await story.cli.ok('route', 'clear', 'echo')).toMatchObject({changed: true, legs: [], servers: {applied: 1}})
  const view = await story.cli.ok('route', 'show', 'echo')
  expect(view).toMatchObject({effective: {mappings: null, agrees: true}})
  expect(await story.cli.ok('route', 'clear', 'echo')).toMatchObject({changed: false})
})

test('undo back to no mapping is refused while two versions listen on the source', async () => {
  await story.cli.ok('route', 'clear', 'echo', '--share')
  await story.cli.ok('route', 'ab', '20/80')
  const failure = await story.cli.fails(9, 'route', 'undo', 'echo')
  expect(failure.suggestions).toContain('lattice route undo echo --share')
  expect(await liveLegs()).toEqual([
    {version: '1.0.0', weight: 20},
    {version: '2.0.0', weight: 80},
  ])
})

test('a second version does not start by surprise, but dark or shared', async () => {
  await story.cli.ok('route', 'bluegreen', 'echo', '--to', '1.0.0')
  await story.cli.ok('stop', 'echo@2.0.0')
  const failure = await story.cli.fails(9, 'start', echoModule('2.0.0'))
  expect(failure.message).toBe("'echo' runs already as 1.0.0, and '2.0.0' would take part of its traffic.")
  expect(failure.suggestions.map((line) => line.split(' ')[0])).toEqual(['--dark', '--share'])
  expect(await story.running()).toEqual({'1.0.0': 10})
  await story.cli.fails(9, 'start', echoModule('2.0.0'), '--dry-run')

  expect(await story.cli.ok('start', echoModule('2.0.0'), '--dark')).toMatchObject({dark: true, changed: true})
  expect(await story.running()).toEqual({'1.0.0': 10, '2.0.0 dark': 10})
  expect(await story.cli.ok('start', echoModule('2.0.0'), '--dark')).toMatchObject({changed: false})
})

test('a leg that nobody runs gets no weight', async () => {
  const failure = await story.cli.fails(9, 'route', 'ab', 'echo@1.0.0=50', 'echo@3.0.0=50')
  expect(failure.message).toBe("Nobody runs 'echo@3.0.0'.")
})
