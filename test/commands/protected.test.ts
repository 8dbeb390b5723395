import {expect, test} from 'vitest'

import CacheDel from '../../src/commands/cache/del.js'
import CacheImport from '../../src/commands/cache/import.js'
import CacheInit from '../../src/commands/cache/init.js'
import CacheLs from '../../src/commands/cache/ls.js'
import CacheMigrate from '../../src/commands/cache/migrate.js'
import LinkDel from '../../src/commands/link/del.js'
import RouteAb from '../../src/commands/route/ab.js'
import RouteBluegreen from '../../src/commands/route/bluegreen.js'
import RouteClear from '../../src/commands/route/clear.js'
import RouteUndo from '../../src/commands/route/undo.js'
import Scale from '../../src/commands/scale.js'
import Stop from '../../src/commands/stop.js'
import {useConfigHome} from '../support/config-home.js'

const home = useConfigHome()

/** Nobody listens there, so whoever gets as far as connecting exits 11. */
async function protectedContext(): Promise<void> {
  await home.write('config/nats/context/prod.json', {url: 'nats://127.0.0.1:1'})
  await home.write('config/lattice/contexts/prod.json', {protected: true})
  await home.write('config/nats/context/test.json', {url: 'nats://127.0.0.1:1'})
  await home.write('config/nats/context.txt', 'prod')
}

test.each([
  ['stop', Stop, ['echo@1.0.0']],
  ['scale', Scale, ['echo@1.0.0', '--count', '0']],
  ['cache del', CacheDel, ['key', 'notes']],
  ['cache import', CacheImport, ['backup.jsonl', '--mode', 'replace']],
  ['cache init', CacheInit, ['--update', '--history', '1']],
  ['cache migrate', CacheMigrate, ['--keep-stream']],
  ['link del', LinkDel, ['echo']],
  ['route clear', RouteClear, []],
  ['route undo', RouteUndo, []],
  ['route ab', RouteAb, ['70/30']],
  ['route bluegreen', RouteBluegreen, ['--to', '2.0.0']],
] as const)('%s on a protected context is done only when the context is named', async (words, command, argv) => {
  await protectedContext()
  const refused = await home.run(command, ...argv)
  expect(refused).toMatchObject({exitCode: 2, stdout: ''})
  expect(refused.stderr).toContain("Error: The context 'prod' is protected.\n")
  expect(refused.stderr).toContain(['--confirm', 'prod', ...argv].join(' '))
  expect(await home.run(command, ...argv, '--confirm', 'test')).toMatchObject({exitCode: 2})
  expect({words, ...(await home.run(command, ...argv, '--confirm', 'prod'))}).toMatchObject({words, exitCode: 11})
  expect(await home.run(command, ...argv, '--dry-run')).toMatchObject({exitCode: 11})
})

test('what takes nothing away asks nothing', async () => {
  await protectedContext()
  expect(await home.run(CacheLs)).toMatchObject({exitCode: 11})
  expect(await home.run(CacheInit)).toMatchObject({exitCode: 11})
  expect(await home.run(Scale, 'echo@1.0.0', '--count', '2')).toMatchObject({exitCode: 11})
  expect(await home.run(Stop, 'echo@1.0.0', '--context', 'test')).toMatchObject({exitCode: 11})
})

test('a script that names another context than the one it acts on is stopped, protected or not', async () => {
  await protectedContext()
  const lost = await home.run(Stop, 'echo@1.0.0', '--context', 'test', '--confirm', 'prod', '--json')
  expect(lost).toMatchObject({exitCode: 2})
  expect(lost.json()).toMatchObject({error: {message: "The context is 'test' and not 'prod', so nothing was done."}})
})

test('the line to paste acts where the command did, whatever its words hold', async () => {
  await protectedContext()
  const refused = await home.run(CacheDel, 'key', "it's", '--context', 'prod', '-l', 'blue', '--json')
  const {suggestions} = (refused.json() as {error: {suggestions: string[]}}).error
  expect(suggestions[0]).toMatch(/--confirm prod key 'it'\\''s' --context prod -l blue --json$/)
})
