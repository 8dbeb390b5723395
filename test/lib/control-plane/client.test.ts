import {readFile, writeFile} from 'node:fs/promises'
import {createServer as createSecureServer} from 'node:https'
import {join} from 'node:path'
import {inspect} from 'node:util'

import {beforeEach, describe, expect, test} from 'vitest'

import type {Clock} from '../../../src/lib/clock.js'
import {findAccount, readShown} from '../../../src/lib/control-plane/account.js'
import {ControlPlane} from '../../../src/lib/control-plane/client.js'
import {openControlPlane} from '../../../src/lib/control-plane/open.js'
import {describeFailure, type FailureDescription} from '../../../src/lib/errors.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {createAuthority} from '../../support/certificates.js'
import {
  answering,
  losingTheAnswer,
  losingTheRequest,
  startControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.js'
import {startFakeServer} from '../../support/fake-server.js'
import {freePort} from '../../support/nats-server.js'
import {tempFolder} from '../../support/temp.js'

const key = createKey('A').publicKey

let plane: TestControlPlane
let clock: Clock & {readonly slept: number[]}
beforeEach(async () => {
  clock = jumpingClock()
  plane = await startControlPlane({publicKey: key})
  return () => plane[Symbol.asyncDispose]()
})

/** Waits are over at once, and are known. */
function jumpingClock(): Clock & {readonly slept: number[]} {
  const slept: number[] = []
  const sleep = (ms: number): Promise<void> => {
    slept.push(ms)
    return Promise.resolve()
  }
  return {now: () => Date.now() + slept.reduce((sum, ms) => sum + ms, 0), sleep, slept}
}

function client({url = plane.url, token = plane.token, timeoutMs = 10_000} = {}): ControlPlane {
  return new ControlPlane({url: new URL(url), token, timeoutMs, clock})
}

async function failure(work: Promise<unknown>): Promise<FailureDescription> {
  const error: unknown = await work.then(
    () => new Error('It worked.'),
    (thrown: unknown) => thrown,
  )
  // Nobody who prints errors with all they hold learns the token.
  expect(inspect(error, {depth: 10, showHidden: true})).not.toContain(plane.token)
  return describeFailure(error)
}

const teams = /\/teams$/

describe('reading', () => {
  test.each([500, 502, 503])('is repeated after %d', async (status) => {
    plane.interfere('GET', teams, answering(status))
    plane.interfere('GET', teams, answering(status))
    expect(await client().get('teams')).toMatchObject({items: [{name: 'team'}]})
    expect(clock.slept).toEqual([200, 400])
  })

  test('is repeated when the connection is cut', async () => {
    plane.interfere('GET', teams, losingTheRequest)
    plane.interfere('GET', teams, losingTheAnswer)
    expect(await client().get('teams')).toMatchObject({items: [{name: 'team'}]})
  })

  test('ends with what was said last', async () => {
    for (let index = 0; index < 9; index++) plane.interfere('GET', teams, answering(500, {}, 'out of order\n'))
    expect(await failure(client().get('teams'))).toMatchObject({
      exit: 1,
      json: {message: 'The control plane answered 500 to GET /api/core/beta/teams: out of order.'},
    })
  })

  test('waits as long as it is asked to, in seconds', async () => {
    plane.interfere('GET', teams, answering(429, {'retry-after': '3'}))
    expect(await client().get('teams')).toHaveProperty('items')
    expect(clock.slept).toEqual([3000])
  })

  test('waits until the date that it is told', async () => {
    plane.interfere('GET', teams, answering(429, {'retry-after': new Date(Date.now() + 5000).toUTCString()}))
    expect(await client().get('teams')).toHaveProperty('items')
    expect(clock.slept[0]).toBeGreaterThan(2500)
    expect(clock.slept[0]).toBeLessThanOrEqual(5000)
  })

  test('waits a second where it is not told how long', async () => {
    plane.interfere('GET', teams, answering(429, {'retry-after': 'soon'}))
    expect(await client().get('teams')).toHaveProperty('items')
    expect(clock.slept).toEqual([1000])
  })

  test('does not wait longer than the timeout, and says which would do', async () => {
    plane.interfere('GET', teams, answering(429, {'retry-after': '60'}))
    expect(await failure(client().get('teams'))).toMatchObject({
      exit: 6,
      json: {
        message: 'The control plane takes no more requests for 60 s (GET /api/core/beta/teams: 429).',
        suggestions: ['--timeout 65s   (waits for it)'],
      },
    })
    expect(clock.slept).toEqual([])
  })

  test('with a token that is not known exits 11 and names the variable', async () => {
    const {exit, json} = await failure(client({token: 'uat_other'}).get('teams'))
    expect(exit).toBe(11)
    expect(json.suggestions.join()).toContain('LATTICE_CP_TOKEN_FILE')
  })

  test('follows nothing, so that nobody else gets the token', async () => {
    await using other = await startControlPlane()
    plane.interfere('GET', teams, answering(307, {location: `${other.url}/api/core/beta/teams`}))
    expect(await failure(client().get('teams'))).toMatchObject({
      exit: 11,
      json: {message: expect.stringContaining('sends us elsewhere') as string},
    })
    expect(other.requests).toEqual([])
  })

  test('names the path of an answer that is not JSON', async () => {
    plane.interfere('GET', teams, answering(200, {}, '<html>'))
    expect(await failure(client().get('teams'))).toMatchObject({
      exit: 1,
      json: {message: "The control plane's answer to GET /api/core/beta/teams is not JSON."},
    })
  })

  test('ends an answer that does not end', async () => {
    plane.interfere('GET', teams, (response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(1 << 20)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    })
    expect(await failure(client().get('teams'))).toMatchObject({
      exit: 1,
      json: {message: "The control plane's answer to GET /api/core/beta/teams is longer than 32 MiB."},
    })
  })

  test('does not wait for one who says nothing', async () => {
    await using silent = await startFakeServer()
    const url = `http://127.0.0.1:${silent.port}`
    expect(await failure(client({url, timeoutMs: 100}).get('teams'))).toMatchObject({
      exit: 11,
      json: {message: expect.stringMatching(/\(GET \/api\/core\/beta\/teams\): no answer within \d+ ms\.$/) as string},
    })
  })

  test('of nobody exits 11', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    expect(await failure(client({url}).get('teams'))).toMatchObject({
      exit: 11,
      json: {message: `Cannot ask the control plane '${url}' (GET /api/core/beta/teams): nothing listens there.`},
    })
  })

  test('over TLS asks for a certificate that is trusted, before the token is sent', async () => {
    await using folder = await tempFolder()
    const files = await (await createAuthority(folder.path)).server()
    const [cert, privateKey] = await Promise.all([readFile(files.cert), readFile(files.key)])
    const seen: unknown[] = []
    const secure = createSecureServer({cert, key: privateKey}, (request) => seen.push(request.headers))
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    const {port} = secure.address() as {port: number}
    try {
      expect(await failure(client({url: `https://127.0.0.1:${port}`}).get('teams'))).toMatchObject({
        exit: 11,
        json: {
          message: expect.stringContaining('its certificate is not trusted') as string,
          suggestions: ['NODE_EXTRA_CA_CERTS=FILE with the certificate of its authority'],
        },
      })
      expect(seen).toEqual([])
    } finally {
      secure.close()
    }
  })
})

describe('the account', () => {
  test('is found by its key among all teams and systems, where some lists may not be read', async () => {
    const [own] = plane.accounts
    const others = ['b', 'c'].map((name) => ({
      ...own!,
      id: name,
      team: `t${name}`,
      system: `s${name}`,
      publicKey: name,
    }))
    plane.accounts.unshift(...others)
    plane.interfere('GET', /teams\/tb\/systems/, answering(403))
    plane.interfere('GET', /systems\/sc\/info/, answering(404))
    expect(await findAccount(client(), key)).toMatchObject({id: own!.id, publicKey: key})
  })

  test('is asked for at once where its id is known', async () => {
    const {id} = plane.accounts[0]!
    await findAccount(client(), key, id)
    expect(plane.requests.map(({path}) => path)).toEqual([`/api/core/beta/accounts/${id}`])
  })

  test('that the token does not see exits 4', async () => {
    const other = createKey('A').publicKey
    plane.interfere('GET', /info/, answering(403))
    expect(await failure(findAccount(client(), other))).toMatchObject({
      exit: 4,
      json: {
        message: `The control plane '${plane.url}' shows the token no account with the key '${other}' (1 of its lists may not be read).`,
      },
    })
  })

  test('that is there twice exits 3 and names both', async () => {
    const [own] = plane.accounts
    plane.accounts.push({...own!, id: 'second', system: 'other'})
    const {exit, json} = await failure(findAccount(client(), key))
    expect(exit).toBe(3)
    expect([...json.suggestions].sort()).toEqual(
      [`--control-plane-account ${own!.id}`, '--control-plane-account second'].sort(),
    )
  })

  test('of an id that is that of another account is refused', async () => {
    plane.accounts[0] = {...plane.accounts[0]!, publicKey: '\u001b[2J'}
    const {exit, json} = await failure(findAccount(client(), key, plane.accounts[0].id))
    expect(exit).toBe(11)
    expect(json.message).toContain("has the key '\\u{1b}[2J'")
  })

  test.each(['..', 'a/b', '', 'a\nb', 'a%2e'])('of id %j is a usage error before anybody is asked', async (id) => {
    expect(await failure(findAccount(client(), key, id))).toMatchObject({exit: 2})
    expect(plane.requests).toEqual([])
  })

  test.each([
    [{jwt_settings: {mappings: {'a.b': [{weight: 3}]}}}, 'jwt_settings.mappings.a.b.0.subject'],
    [{jwt_settings: {mappings: {a: [{subject: 'b', weight: 300}]}}}, 'jwt_settings.mappings.a.0.weight'],
    [{jwt_settings: {mappings: [1]}}, 'jwt_settings.mappings'],
    [{id: 3}, 'id'],
  ])('that is shown as %j is refused with the place', async (fields, place) => {
    plane.interfere('GET', /accounts/, answering(200, {}, JSON.stringify({id: 'x', ...fields})))
    expect(await failure(readShown(client(), 'x'))).toMatchObject({
      exit: 1,
      json: {message: `The control plane's answer to GET /api/core/beta/accounts/x fits no known form: ${place}.`},
    })
  })

  test('may be shown with less', async () => {
    plane.interfere('GET', /accounts/, answering(200, {}, '{"id":"x","jwt_settings":null,"more":1}'))
    expect(await readShown(client(), 'x')).toEqual({
      id: 'x',
      publicKey: undefined,
      mappings: {},
      sync: undefined,
      syncError: '',
    })
  })
})

describe('the token file', () => {
  test.each(['', 'one two', 'one\ntwo', 'sch\u00f6n'])('that holds %j is refused without its text', async (text) => {
    await using folder = await tempFolder()
    const tokenFile = join(folder.path, 'token')
    await writeFile(tokenFile, text)
    const {exit, json} = await failure(openControlPlane({url: plane.url, tokenFile}, {timeoutMs: 1000}))
    expect(exit).toBe(11)
    expect(json.message).toBe(`The control plane token file '${tokenFile}' does not hold one token.`)
  })

  test('and the address are both named where they are missing', async () => {
    const {exit, json} = await failure(openControlPlane({}, {timeoutMs: 1000}))
    expect(exit).toBe(11)
    expect(json.suggestions.map((line) => line.split('=')[0])).toEqual(['LATTICE_CP_URL', 'LATTICE_CP_TOKEN_FILE'])
  })
})
