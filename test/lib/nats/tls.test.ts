import {createPrivateKey} from 'node:crypto'
import {copyFile, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Socket} from 'node:net'
import {TLSSocket} from 'node:tls'

import type {NatsConnection} from '@nats-io/transport-node'
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import type {TlsFiles} from '../../../src/lib/nats/spec.js'
import {createAuthority, type CertificateFiles, type TestAuthority} from '../../support/certificates.js'
import {failureOf, specFor} from '../../support/failed-connection.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let folder: TempFolder
let authority: TestAuthority
let stranger: TestAuthority
let server: TestServer | undefined

beforeAll(async () => {
  folder = await tempFolder()
  authority = await createAuthority(folder.path)
  stranger = await createAuthority(folder.path)
})

afterAll(() => folder[Symbol.asyncDispose]())

afterEach(async () => {
  await server?.[Symbol.asyncDispose]()
  server = undefined
})

/** Starts a server with this certificate; `more` goes into its `tls` block, `config` beside it. */
async function serve(files: CertificateFiles, more = '', config = ''): Promise<string> {
  const {cert, key, ca} = files
  const tls = `tls {cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}", ${more}}`
  server = await startNatsServer({config: `${tls}\n${config}`})
  return server.url
}

async function connects(url: string, tls: TlsFiles): Promise<boolean> {
  const nc = await openConnection(specFor(url, {tls}))
  const encrypted = socketOf(nc) instanceof TLSSocket
  await nc.close()
  return encrypted
}

/** The client's interface does not show it. */
function socketOf(nc: NatsConnection): Socket {
  return (nc as unknown as {protocol: {transport: {socket: Socket}}}).protocol.transport.socket
}

describe('whom a server is', () => {
  test('a private authority is trusted when its certificate is given', async () => {
    const url = await serve(await authority.server())
    expect(await connects(url, {ca: authority.ca})).toBe(true)
  })

  test('its certificate must be for the address that is dialled, not for localhost', async () => {
    const url = await serve(await authority.server({names: ['127.0.0.1']}))
    expect(await connects(url, {ca: authority.ca})).toBe(true)
  })

  test('one for localhost is none for an address', async () => {
    const url = await serve(await authority.server({names: ['localhost', 'nats.example']}))
    expect(await failureOf(specFor(url, {tls: {ca: authority.ca}}))).toMatchObject({
      reason: 'certificate-wrong-name',
      message: `Cannot connect to '${url}': the server's certificate is for 'localhost', 'nats.example', not for '127.0.0.1'.`,
      error: {suggestions: [`--server tls://localhost:${server!.port}`]},
    })
    expect(await connects(`tls://localhost:${server!.port}`, {ca: authority.ca})).toBe(true)
  })

  test('an authority that nobody knows is named', async () => {
    const url = await serve(await authority.server())
    for (const spec of [specFor(url), specFor(url, {tls: {ca: stranger.ca}})]) {
      expect(await failureOf(spec)).toMatchObject({
        reason: 'certificate-authority-unknown',
        message: expect.stringMatching(/is issued by 'Test authority \w+', whom nobody here knows\.$/) as string,
        error: {suggestions: ['--tls-ca FILE']},
      })
    }
  })

  test('a certificate that expired says when', async () => {
    const url = await serve(
      await authority.server({notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2020-01-31T12:00:00Z')}),
    )
    expect(await failureOf(specFor(url, {tls: {ca: authority.ca}}))).toMatchObject({
      reason: 'certificate-expired',
      message: `Cannot connect to '${url}': the server's certificate expired at 2020-01-31T12:00:00Z.`,
    })
  })

  test('a certificate that is not yet valid says from when, and what time it is', async () => {
    const url = await serve(
      await authority.server({notBefore: new Date('2099-01-01T00:00:00Z'), notAfter: new Date('2099-02-01T00:00:00Z')}),
    )
    const {reason, message} = await failureOf(specFor(url, {tls: {ca: authority.ca}}))
    expect(reason).toBe('certificate-not-yet-valid')
    expect(message).toMatch(/is valid only from 2099-01-01T00:00:00Z, and it is 20\d\d-\S+Z here\.$/)
  })
})

describe('who connects', () => {
  test('a client certificate is shown to a server that wants one', async () => {
    const url = await serve(await authority.server(), 'verify: true')
    const {ca, cert, key} = await authority.client()
    expect(await connects(url, {ca, cert, key})).toBe(true)
  })

  test('a missing client certificate is said at once', async () => {
    const url = await serve(await authority.server(), 'verify: true')
    const failed = await failureOf(specFor(url, {tls: {ca: authority.ca}}))
    expect(failed).toMatchObject({
      reason: 'client-certificate-wanted',
      message: `Cannot connect to '${url}': the server wants a client certificate, and none was given.`,
      error: {suggestions: ['--tls-cert FILE --tls-key FILE']},
    })
    expect(failed.tookMs).toBeLessThan(2000)
  })

  test.each([
    [
      'of another authority',
      () => stranger.client(),
      /refused the client certificate: it does not know who issued it\.$/,
    ],
    [
      'that expired',
      () => authority.client({notBefore: new Date('2020-01-01'), notAfter: new Date('2020-02-01')}),
      /refused the client certificate: it is expired or not yet valid\.$/,
    ],
  ])('a client certificate %s is refused', async (_what, client, sentence) => {
    const url = await serve(await authority.server(), 'verify: true')
    const {cert, key} = await client()
    const {reason, message} = await failureOf(specFor(url, {tls: {ca: authority.ca, cert, key}}))
    expect(reason).toBe('client-certificate-refused')
    expect(message).toMatch(sentence)
  })
})

describe('when TLS begins', () => {
  test('first, where the server wants it so', async () => {
    const url = await serve(await authority.server(), 'handshake_first: true')
    expect(await connects(url, {ca: authority.ca, handshakeFirst: true})).toBe(true)
  })

  test('a server that waits for TLS is found out before the time is over', async () => {
    const url = await serve(await authority.server(), 'handshake_first: true')
    for (const tls of [undefined, {ca: authority.ca}]) {
      const failed = await failureOf(
        specFor(url, {...(tls === undefined ? {} : {tls}), timeoutMs: 5000, connectTimeoutMs: 5000}),
      )
      expect(failed).toMatchObject({
        reason: 'tls-first-wanted',
        message: `Cannot connect to '${url}': the server wants TLS before anything else.`,
        error: {suggestions: ['--tls-first']},
      })
      expect(failed.tookMs).toBeLessThan(3500)
    }
  })

  test('a server that speaks first says so', async () => {
    const url = await serve(await authority.server())
    expect(await failureOf(specFor(url, {tls: {ca: authority.ca, handshakeFirst: true}}))).toMatchObject({
      reason: 'tls-first-unwanted',
      message: `Cannot connect to '${url}': the server speaks before TLS, and TLS was to come first.`,
    })
  })

  test.each(['an option', 'the address'])('plain text is never taken where %s wants TLS', async (by) => {
    server = await startNatsServer()
    const url = server.url
    const spec =
      by === 'an option' ? specFor(url, {tls: {ca: authority.ca}}) : specFor(url.replace('nats:', 'tls:'), {tls: {}})
    expect(await failureOf(spec)).toMatchObject({
      reason: 'tls-missing',
      message: expect.stringContaining('TLS is wanted, and the server has none.') as string,
    })
  })

  test('where the server leaves the choice, plain text serves who asked for nothing, and TLS who asked', async () => {
    const url = await serve(await authority.server(), '', 'allow_non_tls: true')
    const plain = await openConnection(specFor(url))
    expect(plain.info?.tls_available).toBe(true)
    await plain.close()
    expect(await connects(url, {ca: authority.ca})).toBe(true)
  })
})

describe('files', () => {
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(folder.path, name)
    await writeFile(path, text)
    return path
  }

  test('one that is missing, or is not PEM, is named', async () => {
    const {cert, key} = await authority.client()
    const text = await write('text.pem', 'hello')
    const [missing, url] = [join(folder.path, 'missing.pem'), 'nats://127.0.0.1:1']
    const sentence = async (tls: TlsFiles): Promise<string> => (await failureOf(specFor(url, {tls}))).message
    expect(await sentence({ca: missing})).toBe(`The CA file '${missing}' does not exist.`)
    expect(await sentence({ca: text})).toBe(`The CA file '${text}' holds no certificate in PEM form.`)
    expect(await sentence({ca: key})).toBe(`The CA file '${key}' holds no certificate in PEM form.`)
    expect(await sentence({cert: text, key})).toBe(`The client certificate '${text}' holds no certificate in PEM form.`)
    expect(await sentence({cert, key: text})).toBe(`The key '${text}' of the client certificate is no key in PEM form.`)
    expect(await sentence({cert})).toBe(`The client certificate '${cert}' needs its key, and none is given.`)
    expect(await sentence({key})).toBe(`The key '${key}' needs its client certificate, and none is given.`)
  })

  test('a key of another certificate and one with a passphrase are told apart', async () => {
    const [one, other] = [await authority.client(), await authority.client()]
    const locked = await write(
      'locked.pem',
      createPrivateKey(await readFile(one.key)).export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'open-sesame',
      }) as string,
    )
    const mixed = await failureOf(specFor('nats://127.0.0.1:1', {tls: {cert: one.cert, key: other.key}}))
    expect(mixed.message).toBe(`The key '${other.key}' does not belong to the client certificate '${one.cert}'.`)
    const closed = await failureOf(specFor('nats://127.0.0.1:1', {tls: {cert: one.cert, key: locked}}))
    expect(closed.message).toContain(`The key '${locked}' of the client certificate is encrypted`)
    expect(closed.error.suggestions).toEqual([`openssl pkey -in ${locked} -out ${locked}.plain`])
  })
})

test('a service takes the client certificate that is there when it reconnects', async () => {
  const url = await serve(await authority.server(), 'verify: true')
  const old = await authority.client({subject: 'old'})
  const [cert, key] = [join(folder.path, 'rotated.pem'), join(folder.path, 'rotated-key.pem')]
  const put = async (files: CertificateFiles): Promise<unknown> =>
    Promise.all([copyFile(files.cert, cert), copyFile(files.key, key)])
  await put(old)
  const nc = await openConnection(specFor(url, {tls: {ca: authority.ca, cert, key}}), {reconnect: 'forever'})
  try {
    await put(await authority.client({subject: 'new'}))
    const again = Promise.withResolvers<undefined>()
    void (async () => {
      for await (const {type} of nc.status()) if (type === 'reconnect') again.resolve(undefined)
    })()
    await server!.restart()
    await again.promise
    const socket = socketOf(nc)
    expect(socket instanceof TLSSocket && socket.getX509Certificate()?.subject).toBe('CN=new')
  } finally {
    await nc.close()
  }
})
