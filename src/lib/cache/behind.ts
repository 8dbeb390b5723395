import {TimeoutError} from '../errors.js'
import {NoPermissionError} from '../nats/request.js'
import {askApi, type JetStream} from './jetstream.js'

/** How far a reading got, and how far the leader was when it began. */
export interface Reached {
  readonly revision: number
  readonly lastRevision: number
}

/**
 * True when the leader of a bucket has messages that a reading did not come to: the server that reads may have missed what
 * was written, and would not say so. Whoever may not ask the leader is told what the server that reads knows.
 */
export async function isBehind(js: JetStream, bucket: string, {revision, lastRevision}: Reached): Promise<boolean> {
  if (revision >= lastRevision) return false
  // The last messages may be gone: then nothing is missing.
  const query = {last_by_subj: `$KV.${bucket}.>`}
  try {
    const {error, fields} = await askApi(js, `STREAM.MSG.GET.KV_${bucket}`, query)
    const {seq = 0} = (fields['message'] ?? {}) as {seq?: number}
    return error === undefined && Math.min(seq, lastRevision) > revision
  } catch (error) {
    if (error instanceof NoPermissionError) return false
    throw error
  }
}

/** The leader had more for as long as it was waited for. */
export function stillBehind(bucket: string, waitedMs: number, {revision, lastRevision}: Reached): TimeoutError {
  return new TimeoutError(`The servers of the bucket '${bucket}' are still behind its leader.`, {
    details: {bucket, revision, lastRevision, waitedMs},
  })
}
