import {cp} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {expect, test} from 'vitest'

import {runToEnd} from '../../support/cli.js'
import {tempFolder} from '../../support/temp.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

test('a clone that was not set up says what to run', async () => {
  await using folder = await tempFolder()
  for (const file of ['package.json', 'bin/run.js']) await cp(join(root, file), join(folder.path, file))
  const ended = await runToEnd(process.execPath, [join(folder.path, 'bin/run.js'), 'up'], {HOME: folder.path})
  expect(ended).toMatchObject({exitCode: 1, stdout: ''})
  expect(ended.stderr).toBe('lattice is not built yet: in its folder, run npm run setup.\n')
})
