import {expect, test} from 'vitest'

import {cliIn} from '../support/cli.js'
import {tempFolder} from '../support/temp.js'

test('help shows the flags of a command and the usual ones of connecting, and where the others are', async () => {
  await using folder = await tempFolder()
  const cli = await cliIn(folder.path)
  const [get, route, show, leaf] = await Promise.all(
    [
      ['cache', 'get'],
      ['route', 'ab'],
      ['context', 'show'],
      ['leaf', 'run'],
    ].map(async (words) => (await cli.run(...words, '--help')).stdout),
  )
  expect(get).toContain('$ lattice cache get KIND KEY [FLAGS]')
  expect(get).toContain('--server=URL')
  expect(get).not.toContain('--tls-ca')
  expect(get).toContain('More ways to connect: lattice context show --help')
  expect(route).toContain('--operator-seed-file')
  for (const flag of ['--tls-ca', '--socks-proxy', '--inbox-prefix', '--nsc-store']) expect(show).toContain(flag)
  expect(leaf).toContain('--source=SUBJECT')
  expect(leaf).toContain('[default: default]')
  expect(leaf).not.toMatch(/\[default: \]|\[object Object\]/)
})
