import {isIP} from 'node:net'

import {instant, noAnswer, reason, type ConnectReason} from './connect-reason.js'
import {codesOf, firstLine} from './error-codes.js'
import type {Handshake} from './handshake.js'
import type {Target} from './target.js'

/** What a connection was to be, as far as it explains a failure. */
export interface Tried {
  readonly target: Target
  readonly tlsFirst: boolean
  readonly clientCertificate: boolean
  /** How long a client waited in all, for sentences. */
  readonly waitedMs: number
}

/** The reason that a failed handshake stands for; `now` in milliseconds. */
export function reasonOf(handshake: Exclude<Handshake, {step: 'done'}>, tried: Tried, now: number): ConnectReason {
  switch (handshake.step) {
    case 'dial':
      return dialReason(handshake.error, tried)
    case 'greeting':
      return greetingReason(handshake.got, tried)
    case 'no-tls':
      return reason(
        'tls-missing',
        'TLS is wanted, and the server has none',
        'nats://… in place of tls://, and no TLS options',
      )
    case 'tls':
      return tlsReason(handshake, tried, now)
    case 'login':
      return loginReason(handshake.said, tried)
  }
}

function dialReason(error: Error, {target, waitedMs}: Tried): ConnectReason {
  const text = codesOf(error)
  if (/ENOTFOUND|EAI_|ENODATA/.test(text)) {
    return reason('name-unknown', `the name '${target.host}' does not resolve`, 'lattice context ls')
  }
  if (text.includes('ECONNREFUSED'))
    return reason('refused', 'nobody listens there', 'lattice up', 'lattice context ls')
  if (/EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL/.test(text)) return reason('unreachable', 'no way leads there')
  if (/ECONNRESET|EPIPE/.test(text)) return reason('closed', 'the server closed the connection')
  if (/timeout|ETIMEDOUT/i.test(text)) return noAnswer(waitedMs)
  return reason('other', firstLine(error.message))
}

/** What the server wants before it says a word. */
export function tlsFirstWanted(): ConnectReason {
  return reason('tls-first-wanted', 'the server wants TLS before anything else', '--tls-first')
}

function greetingReason(got: 'silence' | 'close' | 'other', {tlsFirst, waitedMs}: Tried): ConnectReason {
  if (got === 'other') return reason('not-nats', 'what listens there is no NATS server', 'lattice context ls')
  if (got === 'close') return reason('closed', 'the server closed the connection without a word')
  return tlsFirst
    ? reason('no-answer', `no NATS server spoke within ${waitedMs} ms after the TLS handshake`)
    : noAnswer(waitedMs)
}

function tlsReason(
  {error, certificate}: Extract<Handshake, {step: 'tls'}>,
  {target, tlsFirst, clientCertificate, waitedMs}: Tried,
  now: number,
): ConnectReason {
  const text = codesOf(error)
  if (
    text.includes('ALERT_CERTIFICATE_REQUIRED') ||
    (/ALERT_(BAD_CERTIFICATE|HANDSHAKE_FAILURE)/.test(text) && !clientCertificate)
  ) {
    return reason(
      'client-certificate-wanted',
      'the server wants a client certificate, and none was given',
      '--tls-cert FILE --tls-key FILE',
    )
  }
  const alert = /ALERT_(\w+)$/m.exec(text)?.[1]
  if (alert !== undefined && clientCertificate && /CERTIFICATE|UNKNOWN_CA/.test(alert)) {
    const why =
      alert === 'UNKNOWN_CA'
        ? ': it does not know who issued it'
        : alert === 'CERTIFICATE_EXPIRED'
          ? ': it is expired or not yet valid'
          : ''
    return reason(
      'client-certificate-refused',
      `the server refused the client certificate${why}`,
      '--tls-cert FILE --tls-key FILE',
    )
  }
  if (tlsFirst && /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNSUPPORTED_PROTOCOL|HTTP_REQUEST/.test(text)) {
    return reason(
      'tls-first-unwanted',
      'the server speaks before TLS, and TLS was to come first',
      'without --tls-first',
    )
  }
  if (text.includes('CERT_HAS_EXPIRED')) {
    return reason('certificate-expired', `the server's certificate expired at ${instant(certificate?.validTo ?? NaN)}`)
  }
  if (text.includes('CERT_NOT_YET_VALID')) {
    const from = instant(certificate?.validFrom ?? NaN)
    return reason(
      'certificate-not-yet-valid',
      `the server's certificate is valid only from ${from}, and it is ${instant(now)} here`,
    )
  }
  if (text.includes('ALTNAME_INVALID')) return wrongName(certificate?.names ?? [], target)
  if (/UNABLE_TO_|SELF_SIGNED|ISSUER|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE/.test(text)) {
    const issuer = certificate?.issuer ? `'${certificate.issuer}'` : 'somebody'
    return reason(
      'certificate-authority-unknown',
      `the server's certificate is issued by ${issuer}, whom nobody here knows`,
      '--tls-ca FILE',
    )
  }
  if (/^timeout$/m.test(text)) return noAnswer(waitedMs)
  return reason('tls-failed', `the TLS handshake failed: ${firstLine(error.message)}`)
}

function wrongName(names: readonly string[], {host, port}: Target): ConnectReason {
  const real = names.filter((name) => name !== '')
  const whom = real.length === 0 ? 'no name' : real.map((name) => `'${name}'`).join(', ')
  const usable = real.find((name) => !name.includes('*') && isIP(name) === 0) ?? real[0]
  return reason(
    'certificate-wrong-name',
    `the server's certificate is for ${whom}, not for '${host}'`,
    ...(usable === undefined ? [] : [`--server tls://${usable}:${port}`]),
  )
}

/** Other words than those about credentials, which are explained elsewhere. */
function loginReason(text: string, {waitedMs}: Tried): ConnectReason {
  if (text === 'silence') return noAnswer(waitedMs)
  if (text === 'closed') return reason('closed', 'the server closed the connection during the login')
  return reason('login-refused', `the server said '${firstLine(text)}'`)
}

/** True when a server's word is about who connects. */
export function isRefusal(text: string): boolean {
  return /authorization|authentication/i.test(text)
}
