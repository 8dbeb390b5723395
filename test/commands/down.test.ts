import {expect, test} from 'vitest'

import Down from '../../src/commands/down.js'
import {writeContext} from '../../src/lib/nats/context-files.js'
import {useEmbeddedHome} from '../support/embedded-home.js'
import {run} from '../support/run.js'

const home = useEmbeddedHome()

test('a purge of a protected lattice is done only when its context is named', async () => {
  const {context} = await home.up({hosts: 0})
  await writeContext(context, {}, {protected: true})
  const refused = await run(Down, ['--purge', '--json'])
  expect(refused).toMatchObject({exitCode: 2})
  expect(refused.stdout).toContain(`--confirm ${context} --purge --json`)
  expect((await run(Down, ['--purge', '--dry-run', '--json'])).json()).toMatchObject({changed: true, dryRun: true})
  expect((await home.state()).server).toBeDefined()
  expect((await run(Down, ['--json'])).json()).toMatchObject({changed: true, removed: false})
  await home.up({hosts: 0})
  expect(await run(Down, ['--purge', '--confirm', 'other'])).toMatchObject({exitCode: 2})
  expect((await run(Down, ['--purge', '--confirm', context, '--json'])).json()).toMatchObject({removed: true})
})
