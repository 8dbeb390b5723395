import {createPrivateKey, X509Certificate, type KeyObject} from 'node:crypto'
import {isIP} from 'node:net'
import {checkServerIdentity, type PeerCertificate} from 'node:tls'

import type {ConnectionOptions, Server} from '@nats-io/transport-node'

import {ConnectionError} from '../errors.js'
import {readAgain, readSecretFile, type FileRules} from './secret-files.js'
import type {ConnectSpec, TlsFiles} from './spec.js'
import type {Target} from './target.js'

/** The texts of PEM files, each as it is in its file now: who serves for months outlives a certificate. */
export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/**
 * Reads and checks the PEM files of a connection. Throws a ConnectionError that names the file which is missing, is not
 * PEM, or does not fit the others.
 */
export async function readTls(files: TlsFiles, {confinedTo}: Pick<ConnectSpec, 'confinedTo'>): Promise<TlsMaterial> {
  const {ca, cert, key} = files
  if (cert !== undefined && key === undefined) throw new LonelyFileError('certificate', cert)
  if (key !== undefined && cert === undefined) throw new LonelyFileError('key', key)
  const material: {-readonly [K in keyof TlsMaterial]: string} = {}
  if (ca !== undefined) {
    follow(material, 'ca', await readPem(ca, {purpose: 'CA file', confinedTo}))
    readCertificate(material.ca!, {purpose: 'CA file', file: ca})
  }
  if (cert !== undefined && key !== undefined) {
    follow(material, 'cert', await readPem(cert, {purpose: 'client certificate', confinedTo}))
    follow(material, 'key', await readPem(key, {purpose: 'key of the client certificate', confinedTo}))
    checkPair(material as Required<TlsMaterial>, {cert, key})
  }
  return material
}

/**
 * Options of the NATS client for TLS that checks the name of whichever server is dialled, those included that the cluster
 * tells about; behind a relay it is the name of the target.
 */
export function tlsOptions(
  material: TlsMaterial,
  {targets, handshakeFirst}: {targets: readonly Target[]; handshakeFirst: boolean},
): Pick<ConnectionOptions, 'tls' | 'reconnectToServer'> {
  let dialled: Server | undefined
  const nameOf = (): string => {
    const behind = targets.find(({via}) => via !== undefined && via.port === dialled?.port)
    return behind?.host ?? (dialled?.tlsName || dialled?.hostname) ?? ''
  }
  const options = {
    // The client itself takes an address without a name for `localhost`.
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(nameOf(), certificate),
    get servername() {
      return isIP(nameOf()) === 0 ? nameOf() : ''
    },
    ...(handshakeFirst ? {handshakeFirst} : {}),
  }
  return {
    tls: Object.defineProperties(options, Object.getOwnPropertyDescriptors(material)),
    // Asked before every dial, with the choice of the client first; null keeps it.
    reconnectToServer: (pool) => {
      dialled = pool[0]
      return null
    },
  }
}

interface ReadPem {
  readonly text: string
  readonly again: () => string | undefined
}

async function readPem(file: string, rules: FileRules): Promise<ReadPem> {
  const {text, path} = await readSecretFile(file, rules)
  return {text, again: () => readAgain(path, rules.confinedTo)}
}

function follow(material: object, name: keyof TlsMaterial, {text, again}: ReadPem): void {
  Object.defineProperty(material, name, {enumerable: true, get: () => again() ?? text})
}

function readCertificate(pem: string, {purpose, file}: {purpose: string; file: string}): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw new ConnectionError(`The ${purpose} '${file}' holds no certificate in PEM form.`, {
      suggestions: [`openssl x509 -in ${file} -inform DER -out ${file}.pem`],
      details: {file},
    })
  }
}

function checkPair(material: Required<TlsMaterial>, {cert, key}: {cert: string; key: string}): void {
  const certificate = readCertificate(material.cert, {purpose: 'client certificate', file: cert})
  if (certificate.checkPrivateKey(readKey(material.key, key))) return
  throw new ConnectionError(`The key '${key}' does not belong to the client certificate '${cert}'.`, {
    details: {file: key, certificate: cert},
  })
}

function readKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const encrypted = (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE' || pem.includes('ENCRYPTED')
    throw new ConnectionError(
      encrypted
        ? `The key '${file}' of the client certificate is encrypted, and lattice asks for no passphrase.`
        : `The key '${file}' of the client certificate is no key in PEM form.`,
      {suggestions: encrypted ? [`openssl pkey -in ${file} -out ${file}.plain`] : [], details: {file}},
    )
  }
}

/** Half of a pair cannot be used. */
class LonelyFileError extends ConnectionError {
  constructor(given: 'certificate' | 'key', file: string) {
    super(
      given === 'certificate'
        ? `The client certificate '${file}' needs its key, and none is given.`
        : `The key '${file}' needs its client certificate, and none is given.`,
      {suggestions: [given === 'certificate' ? '--tls-key FILE' : '--tls-cert FILE'], details: {file}},
    )
  }
}
