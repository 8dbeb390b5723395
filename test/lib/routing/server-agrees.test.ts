import {execFile} from 'node:child_process'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

import fc from 'fast-check'
import {expect, test} from 'vitest'

import {lintText} from '../../../src/lib/lint/file.js'
import {findNatsServer} from '../../../src/lib/server/find.js'
import {tempFolder} from '../../support/temp.js'

const binary = await findNatsServer()

/** Sources and destinations, half of which no server takes. An empty destination is taken, and then kills the server. */
const sources = fc.constantFrom('a', 'a.b', 'a.*', '*.b.*', 'a.>', 'a.*.>', 'a.*', 'c.*', 'a..b', 'a.>.b', '>', '*')
const pieces = fc.constantFrom(
  ...[
    'x',
    'y-1',
    '$1',
    '$1',
    '$2',
    '$3',
    '$0',
    '$x',
    '*',
    '>',
    '',
    '{{wildcard(1)}}',
    '{{wildcard(2)}}',
    '{{Wildcard(1)}}',
  ],
  ...[
    '{{wildcard()}}',
    '{{wildcard(1,2)}}',
    '{{wildcard(a)}}',
    '{{partition(3,1)}}',
    '{{partition(3)}}',
    '{{partition(x,1)}}',
  ],
  ...['{{partition(5,1,2)}}', '{{split(1,-)}}', '{{split(1)}}', '{{splitFromLeft(1,2)}}', '{{sliceFromRight(1,2)}}'],
  ...[
    '{{left(1,2)}}',
    '{{right(2,1)}}',
    '{{left(1)}}',
    '{{random(4)}}',
    '{{random()}}',
    '{{random(1,2)}}',
    '{{shard(1)}}',
  ],
  ...['{{wildcard(1)', 'x{{wildcard(1)}}', '{{}}', '{{x}}'],
)
const mostly = fc.oneof({weight: 3, arbitrary: fc.constantFrom('x', '$1', 'z', '{{wildcard(1)}}')}, pieces)
const destinations = fc.oneof(
  fc.array(mostly, {minLength: 1, maxLength: 3}).map((parts) => parts.join('.') || 'x'),
  fc.array(mostly, {minLength: 1, maxLength: 2}).map((parts) => [...parts, '>'].join('.')),
)
const weights = fc.oneof({weight: 6, arbitrary: fc.integer({min: 1, max: 60})}, fc.constantFrom(0, 100, 101, -1))
const lists = fc.array(
  fc.record({destination: destinations, weight: weights, cluster: fc.constantFrom('', '', 'east')}),
  {minLength: 1, maxLength: 2},
)

/** What servers take and we refuse, because none of it is meant. */
const stricter = new Set(['protected-source', 'wildcard-index', 'function', 'weight-zero'])

test.skipIf(binary === undefined)(
  'what a server refuses is refused here, and nothing that both would take',
  async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'server.conf')
    const cases = fc.sample(fc.tuple(sources, lists), 1500)
    // An account a line: the server names the lines that it refuses.
    const lines = cases.map(([source, list], index) => {
      const items = list.map(
        ({destination, weight, cluster}) =>
          `{destination: ${JSON.stringify(destination)}, weight: ${weight}${cluster === '' ? '' : `, cluster: ${cluster}`}}`,
      )
      return `A${index} { mappings { ${JSON.stringify(source)}: [${items.join(', ')}] } }`
    })
    const text = ['accounts {', ...lines, '}'].join('\n')
    await writeFile(file, text)
    const refusedByServer = await linesRefused(file)

    const targets = await lintText(file, text, {now: 0, serverVersion: binary!.version})
    const refusals = targets.flatMap(({account, findings}) =>
      findings.filter(({level}) => level === 'refuse').map((found) => ({...found, line: lineOf(account, found.where)})),
    )
    const refusedHere = new Set(refusals.map(({line}) => line))
    const missed = [...refusedByServer].filter((line) => !refusedHere.has(line))
    expect(missed.map((line) => lines[line - 2])).toEqual([])
    const invented = refusals.filter(({line, rule}) => !refusedByServer.has(line) && !stricter.has(rule))
    expect(invented.map(({line, rule}) => [rule, lines[line - 2]])).toEqual([])
    // Else the two would agree about nothing.
    expect(refusedByServer.size).toBeGreaterThan(200)
    expect(cases.length - refusedHere.size).toBeGreaterThan(100)
  },
)

function lineOf(account: string | undefined, where: string | undefined): number {
  return where === undefined ? Number(account?.slice(1)) + 2 : Number(/:(\d+):\d+$/.exec(where)?.[1])
}

async function linesRefused(file: string): Promise<Set<number>> {
  const output = await promisify(execFile)(binary!.path, ['-c', file, '-t'], {maxBuffer: 2 ** 26}).then(
    ({stderr}) => stderr,
    (error: unknown) => (error as {stderr: string}).stderr,
  )
  return new Set([...output.matchAll(/server\.conf:(\d+):\d+:/g)].map(([, line]) => Number(line)))
}
