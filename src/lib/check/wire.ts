import type {TLSSocket} from 'node:tls'

import {createInbox, nuid, type NatsConnection} from '@nats-io/transport-node'

/** What the client knows of its connection and its interface does not show. */
interface Internals {
  readonly options?: {readonly inboxPrefix?: string}
  readonly protocol?: {
    readonly transport?: {readonly isEncrypted?: () => boolean; readonly socket?: TLSSocket}
  }
}

/** How a connection is protected. */
export interface TlsFacts {
  readonly protocol?: string
  /** When the server's certificate and ours end, in milliseconds since the epoch. */
  readonly serverUntil?: number
  readonly clientUntil?: number
}

/** The TLS of an open connection; undefined when it is plain. */
export function tlsOf(nc: NatsConnection): TlsFacts | undefined {
  const transport = (nc as Internals).protocol?.transport
  if (transport?.isEncrypted?.() !== true) return undefined
  const socket = transport.socket
  const [protocol, serverUntil, clientUntil] = [
    socket?.getProtocol() ?? undefined,
    validUntil(socket?.getPeerCertificate()),
    validUntil(socket?.getCertificate()),
  ]
  return {...(protocol && {protocol}), ...(serverUntil && {serverUntil}), ...(clientUntil && {clientUntil})}
}

/** Prefix of the inboxes in which the connection gets its answers. */
export function inboxPrefixOf(nc: NatsConnection): string {
  return (nc as Internals).options?.inboxPrefix ?? '_INBOX'
}

/** Finds out whether answers can come at all: a denied inbox shows in a request only as silence. */
export async function mayUseInbox(nc: NatsConnection): Promise<boolean> {
  let denied = false
  const inbox = createInbox(inboxPrefixOf(nc))
  const subscriptions = [inbox, `${inbox}.${nuid.next()}`].map((subject) =>
    nc.subscribe(subject, {
      callback: (error) => {
        denied ||= error !== null
      },
    }),
  )
  await nc.flush()
  for (const subscription of subscriptions) subscription.unsubscribe()
  return !denied
}

function validUntil(certificate: object | null | undefined): number | undefined {
  const text = (certificate as {valid_to?: string} | null | undefined)?.valid_to
  const time = Date.parse(text ?? '')
  return Number.isNaN(time) ? undefined : time
}
