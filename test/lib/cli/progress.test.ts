import {describe, expect, test} from 'vitest'

import {ProgressLine} from '../../../src/lib/cli/progress.js'
import {progressText} from '../../../src/lib/output/progress.js'

describe('progress', () => {
  test('tells share, rate and what is left, in the room there is', () => {
    const state = {done: 43_100, total: 100_000, elapsedMs: 2000}
    expect(progressText('Importing', state, 100)).toBe(
      'Importing [#############                 ] 43 % 43,100 of 100,000, 21,550/s, 2 s left',
    )
    expect(progressText('Importing', state, 57)).toBe('Importing 43 % 43,100 of 100,000, 21,550/s, 2 s left')
    expect(progressText('Importing', state, 20)).toHaveLength(20)
    expect(progressText('Importing', {done: 1234, total: undefined, elapsedMs: 1000}, 80)).toBe(
      'Importing 1,234, 1,234/s',
    )
    expect(progressText('Importing', {done: 0, total: 0, elapsedMs: 0}, 80)).toBe('Importing 0, 0/s')
  })

  test('is one line that is written again, for work that takes longer than a second, and leaves no trace', () => {
    const written: string[] = []
    let now = 0
    const clock = {now: () => now, sleep: () => Promise.resolve()}
    const terminal = {isTTY: true, columns: 80, write: (text: string) => written.push(text)}
    {
      using line = new ProgressLine('Importing', clock, terminal)
      for (; now <= 2000; now += 10) line.show({done: now, total: 4000})
    }
    expect(written.length).toBeGreaterThan(5)
    expect(written.length).toBeLessThan(15)
    expect(written.every((text) => text.startsWith('\r\u001b[2K') && !text.includes('\n'))).toBe(true)
    expect(written.at(-1)).toBe('\r\u001b[2K')
  })

  test('is nothing where nobody looks', () => {
    const written: string[] = []
    let now = 0
    const clock = {now: () => now, sleep: () => Promise.resolve()}
    using line = new ProgressLine('Importing', clock, {write: (text: string) => written.push(text)})
    for (; now <= 5000; now += 100) line.show({done: now})
    expect(written).toEqual([])
  })
})
