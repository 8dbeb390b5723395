import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {openConnection} from '../../../src/lib/nats/connect.js'
import type {ConnectSpec, TlsFiles} from '../../../src/lib/nats/spec.js'
import {createAuthority, type CertificateFiles, type TestAuthority} from '../../support/certificates.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let folder: TempFolder
let authority: TestAuthority

beforeAll(async () => {
  folder = await tempFolder()
  authority = await createAuthority(folder.path)
})

afterAll(() => folder[Symbol.asyncDispose]())

describe('a server with a certificate of a private authority and client certificates', () => {
  let server: TestServer

  beforeAll(async () => {
    server = await startNatsServer({config: tlsConfig(await authority.server(), 'verify: true')})
  })

  afterAll(() => server[Symbol.asyncDispose]())

  test('takes whoever brings both', async () => {
    const {ca, cert, key} = await authority.client()
    const nc = await openConnection(specOf(server, {ca, cert, key}))
    expect(nc.info?.tls_required).toBe(true)
    await nc.close()
  })
})

function tlsConfig({cert, key, ca}: CertificateFiles, more = ''): string {
  return `tls {cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}", ${more}}`
}

function specOf({port}: TestServer, tls: TlsFiles): ConnectSpec {
  return {
    servers: [`nats://127.0.0.1:${port}`],
    tls,
    lattice: 'default',
    protected: false,
    timeoutMs: 3000,
    connectTimeoutMs: 3000,
  }
}
