import type {NatsConnection} from '@nats-io/transport-node'

/** Ends the lease of the account as if its time had passed. */
export async function expireLease(connection: NatsConnection): Promise<void> {
  const subject = '$KV.LATTICEACCOUNT.mappings'
  const last = await connection.request(
    '$JS.API.STREAM.MSG.GET.KV_LATTICEACCOUNT',
    JSON.stringify({last_by_subj: subject}),
  )
  const {message} = last.json<{message: {data: string}}>()
  const record = JSON.parse(Buffer.from(message.data, 'base64').toString()) as Record<string, unknown>
  await connection.request(subject, JSON.stringify({...record, deadline: new Date(Date.now() - 1000).toISOString()}))
}
