import type {Msg} from '@nats-io/transport-node'

export interface DeliveredParts {
  readonly subject: string
  readonly value: Uint8Array
  /** Lines of the header, without `NATS/1.0`. */
  readonly head?: readonly string[]
  /** As many as 9, 11 or 12. */
  readonly tokens?: 9 | 11 | 12
  readonly revision?: number
  readonly createdMs?: number
  readonly pending?: number
}

/** A message of a consumer as the client holds it: everything in one buffer, texts made when they are asked for. */
export function deliveredMessage({
  subject,
  value,
  head,
  tokens = 9,
  revision = 5,
  createdMs = 1_700_000_000_123,
  pending = 0,
}: DeliveredParts): Msg {
  const header = head === undefined ? '' : ['NATS/1.0', ...head, '', ''].join('\r\n')
  const reply = [
    '$JS.ACK',
    ...(tokens > 9 ? ['hub', 'hash'] : []),
    `KV_B.consumer.1.${revision}.1.${createdMs}000000.${pending}`,
    ...(tokens === 12 ? ['random'] : []),
  ].join('.')
  const hdr = head === undefined ? -1 : Buffer.byteLength(header)
  const all = Buffer.concat([
    Buffer.from('in front of it'),
    Buffer.from(header),
    Buffer.from(value),
    Buffer.from('after'),
  ])
  const start = 'in front of it'.length
  const data = all.subarray(start, all.length - 'after'.length)
  return {
    _msg: {subject: Buffer.from(subject), reply: Buffer.from(reply), hdr},
    _rdata: data,
    subject,
    reply,
    data: data.subarray(Math.max(0, hdr)),
  } as unknown as Msg
}
