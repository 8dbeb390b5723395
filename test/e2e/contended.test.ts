import {afterAll, beforeAll, expect, test} from 'vitest'

import {bytes, startCacheServer, type CacheServer} from '../support/cache-lattice.js'
import {cliIn, type Failure} from '../support/cli.js'
import {contend, contendedKey, type Contended} from '../support/contenders.js'

let cache: CacheServer
beforeAll(async () => {
  cache = await startCacheServer()
})
afterAll(() => cache[Symbol.asyncDispose]())

test('of 400 edits of one record from 8 processes none is lost, and every loser is told', async () => {
  const {name, data} = await cache.lattice()
  const first = await data.put(contendedKey, bytes('{"total":0,"by":{}}'))
  const reports = await contend({url: cache.server.url, lattice: name, processes: 8, edits: 50, way: 'ours'})

  const last = await data.get(contendedKey)
  const {total, by} = JSON.parse(new TextDecoder().decode(last!.value)) as Contended
  expect(total).toBe(400)
  expect(by).toEqual(Object.fromEntries(reports.map((report) => [report.name, report.won])))
  // Nobody wrote who was told that he had lost, and they did get in each other's way.
  expect(last!.revision - first).toBe(400)
  expect(reports.reduce((sum, {told}) => sum + told, 0)).toBeGreaterThan(50)
})

test('of 8 commands at once that expect the same revision one wins, and 7 are shown what it wrote', async () => {
  const {data, where} = await cache.lattice()
  const cli = await cliIn(cache.server.dir)
  let revision = await data.put(contendedKey, bytes('{"by":0}'))
  for (let round = 1; round <= 2; round++) {
    const ended = await Promise.all(
      Array.from({length: 8}, (_, index) => {
        const value = JSON.stringify({by: 10 * round + index})
        return cli.run('cache', 'put', 'key', contendedKey, value, '--revision', String(revision), ...where, '--json')
      }),
    )
    const winners = ended.flatMap(({exitCode}, index) => (exitCode === 0 ? [index] : []))
    const losers = ended.filter(({exitCode}) => exitCode === 5)
    expect([winners.length, losers.length]).toEqual([1, 7])
    const stored = await data.get(contendedKey)
    expect(JSON.parse(new TextDecoder().decode(stored!.value))).toEqual({by: 10 * round + winners[0]!})
    for (const {json} of losers) {
      const {error} = json() as Failure
      expect(error).toMatchObject({kind: 'conflict', details: {expected: revision, current: stored!.revision}})
      expect(error.details['diff']).toMatchObject([{path: ['by'], after: 10 * round + winners[0]!}])
    }
    revision = stored!.revision
  }
})
