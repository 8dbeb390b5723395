import {join} from 'node:path'

import {expect, test} from 'vitest'

import {canRun, startExampleServer} from '../support/example-service.js'
import {expectOrders} from '../support/orders-example.js'

// Packages come from where pip is set up to find them, into a folder of the test.
test('the orders example in Python is split like that in JavaScript', {timeout: 180_000}, async ({skip}) => {
  await using examples = await startExampleServer()
  const venv = join(examples.folder, 'venv')
  const python = join(venv, 'bin', 'python')
  const installed =
    (await canRun('python3', ['-m', 'venv', venv])) &&
    (await canRun(python, [
      '-m',
      'pip',
      'install',
      '-q',
      '--retries',
      '1',
      '--timeout',
      '10',
      '-r',
      'examples/orders/python/requirements.txt',
    ]))
  if (!installed) skip('Python or its packages are not to be had here')
  expect.hasAssertions()
  await expectOrders(examples, [python, 'examples/orders/python/service.py'])
})
