import type {Msg, NatsConnection} from '@nats-io/transport-node'

/** What came over the wire: a write that was sent, with its id, or a read of what stands there. */
export type BucketRequest =
  {readonly type: 'write'; readonly id: string; readonly expected: string} | {readonly type: 'read'}

export interface StandingMessage {
  readonly revision: number
  readonly id?: string
  readonly operation?: 'DEL'
  readonly value?: string
}

export interface BucketScript {
  /** The answer to the nth write, counted from 0; a promise for one that comes late. */
  readonly onWrite: (nth: number, id: string) => Promise<object> | object
  /** What stands there by now; undefined for nothing. */
  readonly present: () => StandingMessage | undefined
}

/** Answers in place of the leader of a bucket, on a server without JetStream, as the test says; what it was asked. */
export async function scriptBucket(nc: NatsConnection, bucket: string, script: BucketScript): Promise<BucketRequest[]> {
  const requests: BucketRequest[] = []
  const answer = (subject: string, reply: (message: Msg) => Promise<object> | object): void => {
    nc.subscribe(subject, {
      callback: (_error, message) =>
        void Promise.resolve(reply(message)).then((body) => message.respond(JSON.stringify(body))),
    })
  }
  let writes = 0
  answer(`$KV.${bucket}.>`, ({headers}) => {
    const id = headers?.get('Nats-Msg-Id') ?? ''
    requests.push({type: 'write', id, expected: headers?.get('Nats-Expected-Last-Subject-Sequence') ?? ''})
    return script.onWrite(writes++, id)
  })
  answer(`$JS.API.STREAM.INFO.KV_${bucket}`, () => ({config: {}, state: {last_seq: 0}}))
  answer(`$JS.API.STREAM.MSG.GET.KV_${bucket}`, (message) => {
    requests.push({type: 'read'})
    const present = script.present()
    if (present === undefined) return refusal(10037, 'no message found')
    const {revision, id, operation, value = ''} = present
    const lines = [
      ...(operation === undefined ? [] : [`KV-Operation: ${operation}`]),
      ...(id === undefined ? [] : [`Nats-Msg-Id: ${id}`]),
    ]
    const hdrs = Buffer.from(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`).toString('base64')
    const key = message.json<{last_by_subj: string}>().last_by_subj
    return {
      message: {
        subject: key,
        seq: revision,
        hdrs,
        data: Buffer.from(value).toString('base64'),
        time: new Date(0).toISOString(),
      },
    }
  })
  await nc.flush()
  return requests
}

/** A write that was stored. */
export function stored(seq: number, {duplicate}: {readonly duplicate?: true} = {}): object {
  return {stream: 'KV_b', seq, ...(duplicate === undefined ? {} : {duplicate})}
}

export function refusal(code: number, description: string): object {
  return {error: {code: code === 10037 ? 404 : 400, err_code: code, description}}
}

/** `known` is the revision that whoever refuses takes for the last one. */
export function wrongSequence(known: number): object {
  return refusal(10071, `wrong last sequence: ${known}`)
}
