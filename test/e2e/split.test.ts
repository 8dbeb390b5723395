import {afterAll, beforeAll, expect, test} from 'vitest'

import {Load} from '../../scripts/demo/load.ts'
import {failureOf, judgePhase, type Phase} from '../../scripts/demo/phases.ts'
import {echoModule, startStory, type Story} from '../support/story.js'
import {until} from '../support/until.js'

const versions = ['1.0.0', '2.0.0'] as const
const measured = 300

let story: Story
let load: Load

beforeAll(async () => {
  story = await startStory()
  await story.cli.ok('start', echoModule('1.0.0'))
  await story.cli.ok('start', echoModule('2.0.0'), '--dark')
  load = new Load({address: await story.serveHttp(), rate: 200, most: 64, timeoutMs: 10_000})
})

afterAll(async () => {
  try {
    await load.stop()
  } finally {
    await story[Symbol.asyncDispose]()
  }
})

/** What was answered from a moment on, until enough was. */
async function measure(name: string, old: number, span: {startedAt: number; liveAt: number}): Promise<Phase> {
  await until(() => load.countSince(span.liveAt + 1) >= measured, 30_000)
  const endedAt = Date.now()
  await load.settled(endedAt)
  const asked = {[versions[0]]: old, [versions[1]]: 100 - old}
  return judgePhase(name, asked, load.samples, {...span, endedAt: Date.now()})
}

interface Changed {
  readonly liveAt: string
  readonly legs: unknown
  readonly servers: unknown
  readonly undo: string
  readonly inferred?: string
}

async function change(...words: readonly string[]): Promise<Changed & {readonly startedAt: number}> {
  const startedAt = Date.now()
  return {...(await story.cli.ok<Changed>(...words)), startedAt}
}

async function expectShares(changed: Changed & {startedAt: number}, old: number): Promise<Phase> {
  const phase = await measure('', old, {startedAt: changed.startedAt, liveAt: Date.parse(changed.liveAt)})
  expect(failureOf(phase)).toBeUndefined()
  expect(phase.requests).toBeGreaterThan(measured / 2)
  return phase
}

test('route ab 70/30 splits real HTTP requests over two versions, bluegreen moves all, undo goes back', async () => {
  const now = Date.now()
  const alone = await measure('dark', 100, {startedAt: now, liveAt: now})
  expect(failureOf(alone)).toBeUndefined()
  expect(alone.observed['2.0.0']).toBe(0)

  const split = await change('route', 'ab', '70/30')
  expect(split).toMatchObject({
    legs: [
      {version: '1.0.0', weight: 70},
      {version: '2.0.0', weight: 30},
    ],
    servers: {applied: 1, stored: 0, total: 1},
    inferred: 'lattice route ab echo@1.0.0=70 echo@2.0.0=30',
  })
  await expectShares(split, 70)

  const cutover = await change('route', 'bluegreen', '--to', '2.0.0')
  expect((await expectShares(cutover, 0)).observed['1.0.0']).toBe(0)

  const undone = await change('route', 'undo')
  expect(undone.legs).toEqual(split.legs)
  await expectShares(undone, 70)

  expect(await story.cli.ok<object>('route', 'ls')).toMatchObject({
    routes: [{entity: 'echo', state: 'current', effective: {agrees: true, legs: split.legs}}],
  })
  expect(Object.keys(await story.running())).toEqual(['1.0.0', '2.0.0'])
})

test('the line that takes a change back does so when it is pasted', async () => {
  const before = await story.cli.ok<{recorded: {legs: unknown}}>('route', 'show', 'echo')
  const {undo} = await change('route', 'ab', '10/90')
  expect(await story.cli.paste(undo)).toMatchObject({exitCode: 0})
  const after = await story.cli.ok<{recorded: {legs: unknown}}>('route', 'show', 'echo')
  expect(after.recorded.legs).toEqual(before.recorded.legs)
})

test('a change that is repeated changes nothing, and a dry run neither', async () => {
  const dry = await story.cli.ok('route', 'ab', '25/75', '--dry-run')
  expect(dry).toMatchObject({changed: true, dryRun: true, state: 'planned'})
  await change('route', 'ab', '70/30')
  expect(await story.cli.ok('route', 'ab', '70/30')).toMatchObject({changed: false})
})

test('with CI set, a line on stderr says in full what was inferred', async () => {
  const ended = await story.cli.paste('CI=true lattice route ab 70/30')
  expect(ended).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining('lattice route ab echo@1.0.0=70 echo@2.0.0=30') as string,
  })
})

// Last: it looks at everything that was sent since the beginning.
test('no request was lost over all of this', async () => {
  await load.stop()
  expect(load.samples.filter(({version}) => version === undefined)).toEqual([])
  expect(load.samples.length).toBeGreaterThan(4 * measured)
})
