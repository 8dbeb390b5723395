import {execFile} from 'node:child_process'
import {join} from 'node:path'
import {promisify} from 'node:util'

import {expect, test} from 'vitest'

import {canRun, startExampleServer} from '../support/example-service.js'
import {expectOrders} from '../support/orders-example.js'

const cwd = 'examples/orders/go'

// The modules come through the proxy that Go is set up with, and a build from nothing takes some seconds.
test('the orders example in Go is split like that in JavaScript', {timeout: 180_000}, async ({skip}) => {
  if (!(await canRun('go', ['mod', 'download'], {cwd}))) skip('Go or its modules are not to be had here')
  await using examples = await startExampleServer()
  const program = join(examples.folder, 'orders')
  await promisify(execFile)('go', ['build', '-o', program, '.'], {cwd})
  expect.hasAssertions()
  await expectOrders(examples, [program])
})
