import {afterAll, beforeAll, expect, test} from 'vitest'

import {createAuthority} from '../support/certificates.js'
import {cliIn, type Cli} from '../support/cli.js'
import {greetAs, startFakeServer} from '../support/fake-server.js'
import {freePort, startNatsServer} from '../support/nats-server.js'
import {tempFolder, type TempFolder} from '../support/temp.js'

let folder: TempFolder
let cli: Cli

beforeAll(async () => {
  folder = await tempFolder()
  cli = await cliIn(folder.path)
})

afterAll(() => folder[Symbol.asyncDispose]())

/** What a program takes to start and to end, on a machine that does more besides. */
const startMs = 1500

test('a server that never speaks costs the timeout and no more', async () => {
  await using silent = await startFakeServer()
  const ended = await cli.run('host', 'ls', '-s', silent.url, '--timeout', '1s', '--json')
  expect(ended.exitCode).toBe(11)
  expect(ended.json()).toMatchObject({
    error: {
      kind: 'connection',
      message: `Cannot connect to '${silent.url}': no answer within 1000 ms.`,
      details: {reason: 'no-answer'},
    },
  })
  expect(ended.tookMs).toBeLessThan(1000 + 500 + startMs)
})

test('dead servers beside a living one neither delay a command nor keep it alive', async () => {
  await using silent = await startFakeServer()
  await using other = await startFakeServer()
  await using server = await startNatsServer()
  const urls = [silent.url, other.url, `nats://127.0.0.1:${await freePort()}`, server.url].join(',')
  const ended = await cli.run('host', 'ls', '-s', urls, '--timeout', '10s', '--json')
  expect(ended.exitCode).toBe(0)
  expect(ended.json()).toEqual({lattice: 'default', hosts: []})
  expect(ended.tookMs).toBeLessThan(5000)
})

test('what a server says against the protocol gets into no output', async () => {
  await using rude = await startFakeServer((socket) => {
    greetAs('2.11.0', {muteAfter: 'PUB '})(socket)
    socket.on('data', (bytes: Buffer) => {
      if (bytes.includes('PUB ')) socket.write('\u001b[31mINFO {"version": \u001b\r\n')
    })
  })
  const ended = await cli.run('host', 'ls', '-s', rude.url, '--timeout', '1s', '--json')
  expect(ended.exitCode).not.toBe(0)
  expect(ended.json()).toHaveProperty('error')
  expect(`${ended.stdout}${ended.stderr}`).not.toMatch(/\u001b|reader closed/)
})

test('a lattice without hosts is no failed connection', async () => {
  await using server = await startNatsServer()
  const ended = await cli.run('host', 'ls', '-s', server.url, '--timeout', '1s')
  expect(ended.exitCode).toBe(0)
})

test('authorities of the system are trusted without any option, also for an address', async () => {
  const authority = await createAuthority(folder.path)
  const {cert, key, ca} = await authority.server({names: ['127.0.0.1']})
  await using server = await startNatsServer({config: `tls {cert_file: "${cert}", key_file: "${key}"}`})
  const trusting = await cliIn(folder.path, {NODE_EXTRA_CA_CERTS: ca})
  expect((await trusting.run('host', 'ls', '-s', server.url)).exitCode).toBe(0)
  const {details} = await cli.fails(11, 'host', 'ls', '-s', server.url)
  expect(details).toMatchObject({reason: 'certificate-authority-unknown'})
})
