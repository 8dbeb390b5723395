import {readFile} from 'node:fs/promises'

import {decode, encode} from '@msgpack/msgpack'
import fc from 'fast-check'
import {beforeAll, expect, test} from 'vitest'

import {Guest} from '../../src/lib/wasm/guest.js'
import {readModuleClaims} from '../../src/lib/wasm/module.js'
import {limitMemory} from '../../src/lib/wasm/wasm.js'
import {wasmApi} from '../../src/lib/wasm/webassembly.js'
import {compileGuest} from '../support/guests.js'

let echo: Guest
beforeAll(async () => {
  const wasm = await compileGuest('echo', {version: '1.2.3'})
  const module = new wasmApi.Module(limitMemory(wasm, 128))
  echo = Guest.open(module, {call: () => ({kind: 'error', message: 'Nobody is there.'}), log: () => undefined})
})

function handle(request: Uint8Array): {readonly kind: string; readonly body?: unknown} {
  const outcome = echo.call('HttpServer.HandleRequest', request)
  if (outcome.kind !== 'answer') return {kind: outcome.kind}
  const {body} = decode(outcome.payload) as {body: Uint8Array}
  return {kind: 'answer', body: JSON.parse(Buffer.from(body).toString('utf8'))}
}

test('any request is answered with what was in it', () => {
  const requests = fc.record({
    method: fc.constantFrom('GET', 'POST', 'DELETE'),
    path: fc.string({unit: 'grapheme'}).map((text) => `/${text}`),
    queryString: fc.string({unit: 'grapheme'}),
    header: fc.dictionary(fc.string(), fc.array(fc.string())),
    body: fc.uint8Array({maxLength: 70_000}),
    later: fc.anything({
      withNullPrototype: false,
      maxDepth: 3,
      key: fc.string(),
      values: [fc.double(), fc.string(), fc.boolean()],
    }),
  })
  fc.assert(
    fc.property(requests, (request) => {
      const {method, path, queryString: query, body} = request
      const answer = handle(encode(request)).body as {body: string}
      expect({...answer, body: joinReplaced(answer.body)}).toEqual({
        version: '1.2.3',
        method,
        path,
        query,
        body: joinReplaced(Buffer.from(body).toString('utf8')),
      })
    }),
  )
})

test('bytes that are no request are an error, never a trap', () => {
  const kinds = new Set<string>()
  const broken = fc.oneof(
    fc.uint8Array({maxLength: 60}),
    fc
      .tuple(fc.nat(40), fc.nat(255))
      .map(([at, value]) => encode({method: 'GET', path: '/', header: {a: ['b']}, body: null}).fill(value, at, at + 1)),
  )
  fc.assert(
    fc.property(broken, (bytes) => {
      kinds.add(echo.call('HttpServer.HandleRequest', bytes).kind)
      expect([...kinds]).not.toContain('trap')
    }),
    {numRuns: 2000},
  )
  expect(kinds).toContain('error')
})

test('8 MiB of memory are enough for any number of calls', () => {
  const request = encode({
    method: 'POST',
    path: '/',
    queryString: '',
    header: {},
    body: Buffer.alloc(100_000, 'lattice'),
  })
  for (let call = 0; call < 500; call++) expect(handle(request).kind).toBe('answer')
})

test('it echoes, tells its version and refuses the rest', () => {
  const call = (operation: string): string => {
    const outcome = echo.call(operation, Buffer.from('hello'))
    return outcome.kind === 'answer' ? Buffer.from(outcome.payload).toString() : `${outcome.kind}: ${outcome.message}`
  }
  expect(['Echo.Echo', 'Echo.Version', 'Echo.Shout'].map(call)).toEqual([
    'hello',
    '1.2.3',
    'error: Echo has no operation Echo.Shout.',
  ])
})

test('the build leaves two signed versions of one module', async () => {
  const claims = await Promise.all(
    ['1.0.0', '2.0.0'].map(async (version) =>
      readModuleClaims(await readFile(`examples/echo/build/echo-${version}.wasm`), Date.now()),
    ),
  )
  expect(claims.map(({name, version, caps}) => ({name, version, caps}))).toEqual([
    {name: 'echo', version: '1.0.0', caps: ['wasmcloud:httpserver']},
    {name: 'echo', version: '2.0.0', caps: ['wasmcloud:httpserver']},
  ])
  expect(claims[0]!.key).toBe(claims[1]!.key)
})

/** Decoders differ in how many replacement characters stand for a broken sequence. */
function joinReplaced(text: string): string {
  return text.replaceAll(/\uFFFD+/g, '\uFFFD')
}
