import {existsSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {expect, test} from 'vitest'

import {runToEnd} from '../../support/cli.js'
import {tempFolder} from '../../support/temp.js'

const bin = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))

test.skipIf(!existsSync('/dev/full'))('output that cannot be written is one sentence and exit 1', async () => {
  await using folder = await tempFolder()
  const env = {PATH: process.env['PATH'] ?? '', HOME: folder.path, XDG_CONFIG_HOME: folder.path}
  for (const command of ['context ls --json', '--help']) {
    const ended = await runToEnd('sh', ['-c', `'${process.execPath}' '${bin}' ${command} > /dev/full`], env)
    expect(ended).toMatchObject({exitCode: 1, stderr: 'Error: The output could not be written: ENOSPC.\n'})
  }
})
