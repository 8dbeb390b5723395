import {readdir, readFile} from 'node:fs/promises'

import {expect, test} from 'vitest'

import ContextAdd from '../../../src/commands/context/add.js'
import ContextImport from '../../../src/commands/context/import.js'
import ContextLs from '../../../src/commands/context/ls.js'
import ContextRm from '../../../src/commands/context/rm.js'
import ContextUse from '../../../src/commands/context/use.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {useConfigHome} from '../../support/config-home.js'

const home = useConfigHome()

async function contexts(...names: readonly string[]): Promise<void> {
  for (const name of names) await home.write(`config/nats/context/${name}.json`, {url: `nats://${name}:4222`})
}

test('a context is removed from both tools, and again it is no change', async () => {
  await contexts('a', 'b')
  await home.write('config/lattice/contexts/a.json', {lattice: 'blue'})
  const removed = await home.run(ContextRm, 'a', '--json')
  expect(removed.json()).toEqual({context: 'a', changed: true, orphans: [], dryRun: false})
  expect(await readdir(home.path('config/nats/context'))).toEqual(['b.json'])
  expect(await readdir(home.path('config/lattice/contexts'))).toEqual([])
  const again = await home.run(ContextRm, 'a', '--json')
  expect(again).toMatchObject({exitCode: 0})
  expect(again.json()).toMatchObject({changed: false})
})

test('the selected context stays, unless another is selected instead or it is the last', async () => {
  await contexts('a', 'b')
  await home.run(ContextUse, 'a')
  const refused = await home.run(ContextRm, 'a', '--json')
  expect(refused).toMatchObject({exitCode: 9})
  expect(refused.json()).toMatchObject({error: {suggestions: ['lattice context rm a --select b']}})
  expect(await home.run(ContextRm, 'a', '--select', 'a')).toMatchObject({exitCode: 2})
  expect(await home.run(ContextRm, 'a', '--select', 'c')).toMatchObject({exitCode: 4})
  expect((await home.run(ContextRm, 'a', '--select', 'b')).stdout).toBe("Removed context 'a'. Selected: 'b'.\n")
  expect((await home.run(ContextRm, 'b')).stdout).toBe("Removed context 'b'. None is selected.\n")
  expect((await home.run(ContextLs)).stdout).toBe('')
})

test('a dry run removes nothing', async () => {
  await contexts('a')
  expect((await home.run(ContextRm, 'a', '--dry-run')).stdout).toContain("Would remove context 'a'.")
  expect(await readdir(home.path('config/nats/context'))).toEqual(['a.json'])
})

test('a protected context goes only when it is named', async () => {
  await contexts('prod')
  await home.write('config/lattice/contexts/prod.json', {protected: true})
  const refused = await home.run(ContextRm, 'prod', '--json')
  expect(refused).toMatchObject({exitCode: 2})
  expect(refused.stdout).toContain('--confirm prod')
  expect(await home.run(ContextRm, 'prod', '--confirm', 'test')).toMatchObject({exitCode: 2})
  expect(await home.run(ContextRm, 'prod', '--dry-run')).toMatchObject({exitCode: 0})
  expect(await readdir(home.path('config/nats/context'))).toEqual(['prod.json'])
  expect(await home.run(ContextRm, 'prod', '--confirm', 'prod')).toMatchObject({exitCode: 0})
  expect(await readdir(home.path('config/nats/context'))).toEqual([])
})

test('a name with a space stands in a suggestion as it is typed', async () => {
  await contexts('a b', 'c d')
  await home.run(ContextUse, 'a b')
  const refused = await home.run(ContextRm, 'a b')
  expect(refused).toMatchObject({exitCode: 9})
  expect(refused.stderr).toContain("lattice context rm 'a b' --select 'c d'")
})

test('contexts whose system user goes with it are named, and a broken file can be removed', async () => {
  await contexts('a', 'a-sys')
  await home.write('config/lattice/contexts/a.json', {sysContext: 'a-sys'})
  const removed = await home.run(ContextRm, 'a-sys')
  expect(removed.stderr).toBe("Warning: Context 'a' takes its system user from 'a-sys'.\n")
  await home.write('config/nats/context/broken.json', '{"password": "hunter2')
  expect(await home.run(ContextRm, 'broken')).toMatchObject({exitCode: 0, stderr: ''})
})

test('the cluster seed that an import wrote goes with the last context that needs it', async () => {
  await home.write('.wash/contexts/a.json', {cluster_seed: createKey('C').seed})
  expect(await home.run(ContextImport, '--from', 'wash')).toMatchObject({exitCode: 0})
  const {clusterSeedFile} = await home.json('config/lattice/contexts/a.json')
  await home.run(ContextAdd, 'b', '--effective', '--context', 'a')
  await home.run(ContextRm, 'a', '--select', 'b')
  expect(await readFile(String(clusterSeedFile), 'utf8')).toMatch(/^SC/)
  await home.run(ContextRm, 'b')
  await expect(readFile(String(clusterSeedFile))).rejects.toThrow('ENOENT')
})

test.each(['../a', '.a', 'a/b', ''])('%j is not a context name', async (name) => {
  expect(await home.run(ContextRm, name)).toMatchObject({exitCode: 2})
})
