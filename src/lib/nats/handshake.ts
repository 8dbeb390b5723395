import type {Authenticator} from '@nats-io/transport-node'

import type {Target} from './target.js'
import type {TlsMaterial} from './tls.js'
import {Wire, type ShownCertificate} from './wire.js'

/** What a server says about itself before anything else. */
export interface Greeting {
  readonly version: string
  readonly tlsRequired: boolean
  readonly tlsAvailable: boolean
  /** It takes nkeys and users' tokens, for it sends something to sign. */
  readonly nonce?: string
}

/** How far a handshake came, and what ended it. */
export type Handshake =
  | {readonly step: 'dial'; readonly error: Error}
  | {readonly step: 'greeting'; readonly got: 'silence' | 'close' | 'other'}
  | {readonly step: 'no-tls'; readonly greeting: Greeting}
  | {
      readonly step: 'tls'
      readonly error: Error
      readonly greeting?: Greeting
      readonly certificate?: ShownCertificate
    }
  | {readonly step: 'login'; readonly greeting: Greeting; readonly said: string}
  | {readonly step: 'done'; readonly greeting: Greeting}

export interface HandshakeOptions {
  /** Undefined: TLS only where the server insists. */
  readonly tls?: TlsMaterial | undefined
  readonly tlsFirst: boolean
  readonly login?: Authenticator | undefined
  readonly timeoutMs: number
}

/**
 * Does what a client does to connect, once and step by step, to learn which step fails: the NATS client itself waits for
 * its timeout when a server closes the connection in between. Nothing is left open.
 */
export async function tryHandshake(target: Target, options: HandshakeOptions): Promise<Handshake> {
  const wire = new Wire(target, options.timeoutMs)
  try {
    return await handshake(wire, options)
  } finally {
    wire.close()
  }
}

async function handshake(wire: Wire, {tls, tlsFirst, login}: HandshakeOptions): Promise<Handshake> {
  if (!(await wire.dial())) return {step: 'dial', error: wire.error ?? new Error('timeout')}
  if (tlsFirst && !(await wire.encrypt(tls))) return failedTls(wire)
  const line = await wire.readLine()
  const greeting = parseGreeting(line)
  if (greeting === undefined) {
    if (tlsFirst && wire.error !== undefined) return failedTls(wire)
    return {step: 'greeting', got: line !== '' ? 'other' : wire.ended ? 'close' : 'silence'}
  }
  const wanted = !tlsFirst && (tls !== undefined || greeting.tlsRequired)
  if (wanted && !greeting.tlsRequired && !greeting.tlsAvailable) return {step: 'no-tls', greeting}
  if (wanted && !(await wire.encrypt(tls))) return failedTls(wire, greeting)
  return logIn(wire, greeting, login)
}

async function logIn(wire: Wire, greeting: Greeting, login: Authenticator | undefined): Promise<Handshake> {
  const hello = {verbose: false, pedantic: false, protocol: 1, lang: 'nats.js', version: '3.0.0', name: 'lattice'}
  wire.write(`CONNECT ${JSON.stringify({...hello, ...login?.(greeting.nonce)})}\r\nPING\r\n`)
  for (;;) {
    const line = await wire.readLine()
    if (line.startsWith('PONG')) return {step: 'done', greeting}
    if (line.startsWith('-ERR')) return {step: 'login', greeting, said: /'(.*)'/.exec(line)?.[1] ?? line}
    if (line !== '') continue
    // What a server thinks of our certificate comes only with the first bytes after the handshake.
    return wire.encrypted && wire.error !== undefined
      ? failedTls(wire, greeting)
      : {step: 'login', greeting, said: wire.ended ? 'closed' : 'silence'}
  }
}

function failedTls({error, ended, certificate}: Wire, greeting?: Greeting): Handshake {
  return {
    step: 'tls',
    error: error ?? new Error(ended ? 'closed' : 'timeout'),
    ...(greeting === undefined ? {} : {greeting}),
    ...(certificate === undefined ? {} : {certificate}),
  }
}

function parseGreeting(line: string): Greeting | undefined {
  if (!line.startsWith('INFO ')) return undefined
  try {
    const info = JSON.parse(line.slice('INFO '.length)) as Record<string, unknown>
    const {version, tls_required: required, tls_available: available, nonce} = info
    // The client cannot go on without one.
    if (typeof version !== 'string' || !/^v?\d+\.\d+\.\d+/.test(version)) return undefined
    return {
      version,
      tlsRequired: required === true,
      tlsAvailable: available === true,
      ...(typeof nonce === 'string' ? {nonce} : {}),
    }
  } catch {
    return undefined
  }
}
