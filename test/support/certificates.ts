import 'reflect-metadata'

import {randomBytes, webcrypto} from 'node:crypto'
import {mkdir, writeFile} from 'node:fs/promises'
import {isIP} from 'node:net'
import {join} from 'node:path'

import * as x509 from '@peculiar/x509'

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
  /** Of the authority that issued it. */
  readonly ca: string
}

export interface IssueOptions {
  /** DNS names and IP addresses it is for; default `localhost` and `127.0.0.1` for servers, none for clients. */
  readonly names?: readonly string[]
  /** Common name; default the first name, or `client`. */
  readonly subject?: string
  /** Default: an hour ago. */
  readonly notBefore?: Date
  /** Default: in a day. */
  readonly notAfter?: Date
}

/** Issues certificates; a second one is an authority that nobody who trusts the first knows. */
export interface TestAuthority {
  /** Path of its certificate. */
  readonly ca: string
  /** A server's certificate, for client authentication too, as routes and gateways need it. */
  readonly server: (options?: IssueOptions) => Promise<CertificateFiles>
  readonly client: (options?: IssueOptions) => Promise<CertificateFiles>
}

const algorithm = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'} as const
const hourMs = 3_600_000

/** Makes a certificate authority with files of its own below an existing folder: `await createAuthority(server.dir)`. */
export async function createAuthority(folder: string): Promise<TestAuthority> {
  const id = randomBytes(4).toString('hex')
  const dir = join(folder, `authority-${id}`)
  await mkdir(dir, {recursive: true})
  const keys = await createKeys()
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=Test authority ${id}`,
    keys,
    signingAlgorithm: algorithm,
    serialNumber: serialNumber(),
    ...validity({}),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const ca = join(dir, 'ca.pem')
  await writeFile(ca, authority.toString('pem'))
  const issue = async (kind: 'server' | 'client', options: IssueOptions): Promise<CertificateFiles> => {
    const own = await createKeys()
    const certificate = await x509.X509CertificateGenerator.create({
      issuer: authority.subject,
      signingKey: keys.privateKey,
      publicKey: own.publicKey,
      signingAlgorithm: algorithm,
      serialNumber: serialNumber(),
      ...validity(options),
      ...(await describe(kind, options, own.publicKey)),
    })
    const name = `${kind}-${randomBytes(4).toString('hex')}`
    const files = {cert: join(dir, `${name}.pem`), key: join(dir, `${name}-key.pem`), ca}
    await writeFile(files.cert, certificate.toString('pem'))
    await writeFile(files.key, await privatePem(own.privateKey), {mode: 0o600})
    return files
  }
  return {ca, server: (options = {}) => issue('server', options), client: (options = {}) => issue('client', options)}
}

async function describe(
  kind: 'server' | 'client',
  {names = kind === 'server' ? ['localhost', '127.0.0.1'] : [], subject = names[0] ?? 'client'}: IssueOptions,
  publicKey: webcrypto.CryptoKey,
): Promise<{subject: string; extensions: x509.Extension[]}> {
  const {serverAuth, clientAuth} = x509.ExtendedKeyUsage
  return {
    subject: `CN=${subject}`,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(kind === 'server' ? [serverAuth, clientAuth] : [clientAuth]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ...(names.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension(
              names.map((value) => ({type: isIP(value) === 0 ? 'dns' : 'ip', value})),
            ),
          ]),
    ],
  }
}

function validity({notBefore, notAfter}: IssueOptions): {notBefore: Date; notAfter: Date} {
  const now = Date.now()
  return {notBefore: notBefore ?? new Date(now - hourMs), notAfter: notAfter ?? new Date(now + 24 * hourMs)}
}

function createKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

/** Positive, as the standard wants it. */
function serialNumber(): string {
  return `01${randomBytes(15).toString('hex')}`
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const body = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${body.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`
}
