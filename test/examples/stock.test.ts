import {execFile} from 'node:child_process'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {describe, expect, test} from 'vitest'

import Call from '../../src/commands/call.js'
import RouteBluegreen from '../../src/commands/route/bluegreen.js'
import RouteCanary from '../../src/commands/route/canary.js'
import RouteLint from '../../src/commands/route/lint.js'
import {canRun, startExampleServer, type ExampleServer} from '../support/example-service.js'

const file = ['--services', 'examples/stock/services.yaml']

/** What the workers of every language come to: a canary by name and version, and then all of it. */
async function expectStock(examples: ExampleServer, program: readonly string[]): Promise<void> {
  const {start, lattice, answers} = examples
  await Promise.all([start(program, '2.3.0'), start(program, '2.3.1')])
  for (const weight of [10, 50]) {
    const canary = await lattice(RouteCanary, 'stock', '--to', '2.3.1', '--weight', String(weight), ...file)
    expect(canary).toMatchObject({exitCode: 0})
    const counts = await answers('stock.get', 400)
    expect(counts['2.3.0']! + counts['2.3.1']!).toBe(400)
    expect(Math.abs(counts['2.3.1']! / 4 - weight)).toBeLessThan(12)
  }
  expect(await lattice(RouteBluegreen, 'stock', '--to', '2.3.1', ...file)).toMatchObject({exitCode: 0})
  expect(await answers('stock.take', 50)).toEqual({'2.3.1': 50})
  expect((await lattice(Call, 'stock@2.3.0', 'stock.get', '7', ...file, '--json')).json()).toMatchObject({
    result: {got: '7', version: '2.3.0'},
  })
}

describe('the stock example of plain queue subscribers', {timeout: 180_000}, () => {
  test('is in order', async () => {
    await using examples = await startExampleServer()
    const {exitCode} = await examples.lattice(RouteLint, 'examples/stock/services.yaml', '--exit-code')
    expect(exitCode).toBe(0)
  })

  test('goes 10, 50, 100 in JavaScript', async () => {
    await using examples = await startExampleServer()
    expect.hasAssertions()
    await expectStock(examples, [process.execPath, 'examples/stock/worker.js'])
  })

  test('goes 10, 50, 100 in Go', async ({skip}) => {
    const cwd = 'examples/stock'
    if (!(await canRun('go', ['mod', 'download'], {cwd}))) skip('Go or its modules are not to be had here')
    await using examples = await startExampleServer()
    const program = join(examples.folder, 'worker')
    await promisify(execFile)('go', ['build', '-o', program, 'worker.go'], {cwd})
    expect.hasAssertions()
    await expectStock(examples, [program])
  })

  test('goes 10, 50, 100 in Python', async ({skip}) => {
    await using examples = await startExampleServer()
    const venv = join(examples.folder, 'venv')
    const python = join(venv, 'bin', 'python')
    const install = ['-m', 'pip', 'install', '-q', '--retries', '1', '--timeout', '10', '-r']
    const installed =
      (await canRun('python3', ['-m', 'venv', venv])) &&
      (await canRun(python, [...install, 'examples/stock/requirements.txt']))
    if (!installed) skip('Python or its packages are not to be had here')
    expect.hasAssertions()
    await expectStock(examples, [python, 'examples/stock/worker.py'])
  })
})
