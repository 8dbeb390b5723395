import {execFile} from 'node:child_process'
import {promisify} from 'node:util'

import {expect, test} from 'vitest'

import {useEmbeddedHome} from '../support/embedded-home.js'

const home = useEmbeddedHome()
const run = promisify(execFile)

const hasNats = await run('nats', ['--version']).then(
  () => true,
  () => false,
)

/** Runs the official tool as a user would, with nothing but the context that `up` wrote. */
async function nats(...args: readonly string[]): Promise<string> {
  const {stdout, stderr} = await run('nats', [...args], {env: {...process.env, NATS_URL: undefined}, timeout: 20_000})
  return stdout + stderr
}

test.skipIf(!hasNats)('the official nats tool works with the contexts as they stand (needs nats on PATH)', async () => {
  const {context, sysContext, server} = await home.up({hosts: 0})
  expect(await nats('context', 'ls', '--names')).toContain(context)
  expect(await nats('context', 'info', context)).toContain('Embedded lattice')
  expect(await nats('account', 'info')).toContain('JetStream')
  await nats('kv', 'add', 'TRY', '--history', '5')
  await nats('kv', 'put', 'TRY', 'key', 'value')
  expect(await nats('kv', 'get', 'TRY', 'key', '--raw', '--context', context)).toContain('value')
  expect(await nats('server', 'info', '--context', sysContext)).toContain(server.id)
})
