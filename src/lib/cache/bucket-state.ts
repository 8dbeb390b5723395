import {askApi, jsCodes, unexpectedAnswer, type JetStream} from './jetstream.js'

/** How far a bucket goes, as its stream's leader says at one moment. */
export interface BucketState {
  /** Tells a bucket from one that was made anew under the same name. */
  readonly created: string
  /** The last revision, whether it is still stored or not. */
  readonly last: number
  /** How many revisions are stored. */
  readonly messages: number
  /** Who leads it has heard of more than half of its servers a moment ago. */
  readonly quorum: boolean
}

/** What servers of a group tell each other once a second was missed for sure. */
const silentNs = 2_000_000_000

/**
 * Asks for a bucket's state; undefined when there is no such bucket. Throws what `askApi` throws, and a ServerError when
 * the bucket cannot be asked about.
 */
export async function askBucketState(js: JetStream, bucket: string): Promise<BucketState | undefined> {
  const {error, fields} = await askApi(js, `STREAM.INFO.KV_${bucket}`)
  if (error?.code === jsCodes.streamMissing) return undefined
  if (error !== undefined) throw unexpectedAnswer(error, `The bucket '${bucket}' cannot be looked at`)
  const {created = '', state, cluster} = fields as InfoFields
  const others = cluster?.replicas ?? []
  const heard = others.filter(({offline = false, active = 0}) => !offline && active < silentNs)
  return {
    created,
    last: state?.last_seq ?? 0,
    messages: state?.messages ?? 0,
    quorum: 2 * (heard.length + 1) > others.length + 1,
  }
}

interface InfoFields {
  readonly created?: string
  readonly state?: {readonly last_seq?: number; readonly messages?: number}
  readonly cluster?: {readonly replicas?: readonly {readonly offline?: boolean; readonly active?: number}[]}
}
