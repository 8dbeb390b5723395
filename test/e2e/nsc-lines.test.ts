import {execFile} from 'node:child_process'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {expect, test} from 'vitest'

import {readAccountToken} from '../../src/lib/routing/account-jwt.js'
import type {Destination} from '../../src/lib/routing/plan.js'
import {planNsc, renderNsc} from '../../src/lib/routing/render-nsc.js'
import {ordered} from '../support/mappings.js'
import {tempFolder} from '../support/temp.js'

const run = promisify(execFile)
const hasNsc = await run('nsc', ['--version']).then(
  () => true,
  () => false,
)

const on = (subject: string, weight: number, cluster?: string): Destination => ({
  subject,
  weight,
  ...(cluster === undefined ? {} : {cluster}),
})

/** What a source has before and after; nsc refuses sums over 100 in between. */
const states: readonly (readonly [string, readonly Destination[], readonly Destination[]])[] = [
  ['orders.get', [], [on('v1.orders', 90), on('v2.orders', 10)]],
  ['orders.get', [on('v1.orders', 90), on('v2.orders', 10)], [on('v1.orders', 10), on('v2.orders', 90)]],
  ['orders.get', [on('v1.orders', 10), on('v2.orders', 90)], [on('v2.orders', 100)]],
  ['stock.*.>', [], [on('a.$1.>', 10), on('b.$1.>', 20), on("it's.$1.>", 30), on('d.$1.>', 40)]],
  [
    'stock.*.>',
    [on('a.$1.>', 10), on('b.$1.>', 20), on("it's.$1.>", 30), on('d.$1.>', 40)],
    [on('a.$1.>', 50), on('b.$1.>', 50)],
  ],
  ['geo', [], [on('v1.geo', 100), on('eu.geo', 60, 'eu west'), on('eu2.geo', 40, 'eu west')]],
  [
    'geo',
    [on('v1.geo', 100), on('eu.geo', 60, 'eu west'), on('eu2.geo', 40, 'eu west')],
    [on('v1.geo', 100), on('eu.geo', 10, 'eu west'), on('eu2.geo', 90, 'eu west')],
  ],
  ['orders.get', [on('v2.orders', 100)], []],
]

test.skipIf(!hasNsc)('nsc takes every line, one after the other (needs nsc on PATH)', async () => {
  await using home = await tempFolder()
  const env = {PATH: process.env['PATH'], HOME: home.path}
  const dirs = ['--config-dir', '--data-dir', '--keystore-dir'].flatMap((flag) => [flag, home.path])
  const nsc = (...args: string[]): Promise<unknown> => run('nsc', [...args, ...dirs], {cwd: home.path, env})
  await nsc('add', 'operator', '--name', 'OPS')
  await nsc('add', 'account', 'My Shop')
  const wanted = new Map<string, readonly Destination[]>()
  for (const [source, present, after] of states) {
    const lines = renderNsc(planNsc([{source, present, wanted: after}]), 'My Shop').split('\n')
    expect(lines.at(-2)).toBe("nsc push -a 'My Shop'")
    // There is no server to push to.
    const script = lines.filter((line) => line.includes(' mapping ')).map((line) => `${line} "$@"`)
    await run('sh', ['-e', '-c', script.join('\n'), 'sh', ...dirs], {cwd: home.path, env})
    if (after.length === 0) wanted.delete(source)
    else wanted.set(source, after)
    const {mappings} = readAccountToken(
      await readFile(join(home.path, 'OPS', 'accounts', 'My Shop', 'My Shop.jwt'), 'utf8'),
    )
    const found = Object.entries(mappings).map(([from, list]) => ({source: from, destinations: list as Destination[]}))
    expect(ordered(found)).toEqual(ordered([...wanted].map(([from, list]) => ({source: from, destinations: list}))))
  }
})
