import {z} from 'zod'

/** What a server did with a message that is traced. */
export type TraceEvent =
  /** It came in; `error`: its publisher may not. */
  | {
      readonly type: 'in'
      readonly from: Peer
      readonly name: string
      readonly subject: string
      readonly account?: string
      readonly error?: string
    }
  /** A mapping turned it into another subject; an empty one: into nothing. */
  | {readonly type: 'mapped'; readonly to: string}
  /** An import took it to another account, where it has that subject. */
  | {readonly type: 'imported'; readonly account: string; readonly from: string; readonly to: string}
  /** It went out, or would have. */
  | {
      readonly type: 'out'
      readonly to: Peer
      readonly name: string
      readonly account?: string
      readonly subscription?: string
      readonly queue?: string
      readonly error?: string
    }
  /** A stream stored it, or would have. */
  | {readonly type: 'stored'; readonly stream: string; readonly error?: string}
  | {readonly type: 'other'; readonly name: string}

/** What is at the other end. */
export type Peer = 'client' | 'server' | 'gateway' | 'leaf' | 'system' | 'other'

/** What happened at one server. */
export interface TraceHop {
  readonly server: {readonly id: string; readonly name: string; readonly cluster?: string}
  /** Undefined for the server that the publisher is connected to. */
  readonly hop?: string
  /** How many servers it went on to, of which each tells too. */
  readonly further: number
  readonly events: readonly TraceEvent[]
}

/** One hop of the probe with that number. */
export interface ProbeHop extends TraceHop {
  readonly probe: number
}

/** Header by which the events of one probe are found. */
export const probeHeader = 'Lattice-Probe'

const peers: readonly Peer[] = ['client', 'server', 'gateway', 'system', 'leaf']

const peerSchema = z
  .number()
  .default(-1)
  .transform((kind): Peer => peers[kind] ?? 'other')
const text = z.string().default('')
const optional = z
  .string()
  .optional()
  .transform((value) => (value === '' ? undefined : value))

const eventSchema = z.object({
  type: z.string(),
  kind: peerSchema,
  name: text,
  subj: text,
  to: text,
  from: text,
  acc: optional,
  sub: optional,
  queue: optional,
  stream: text,
  error: optional,
})

const hopSchema = z.object({
  server: z.object({id: z.string(), name: z.string(), cluster: optional}),
  request: z.object({header: z.record(z.string(), z.array(z.string())).default({})}),
  hops: z.number().default(0),
  events: z.array(eventSchema).nullish(),
})

/** Reads one event message; undefined for what is none. */
export function readTraceHop(json: string): ProbeHop | undefined {
  const {data} = hopSchema.safeParse(parseJson(json))
  const probe = Number(headerOf(data?.request.header, probeHeader))
  if (data === undefined || !Number.isInteger(probe)) return undefined
  const {server, hops, events} = data
  const hop = headerOf(data.request.header, 'Nats-Trace-Hop')
  return {
    probe,
    server: {id: server.id, name: server.name, ...(server.cluster && {cluster: server.cluster})},
    ...(hop && {hop}),
    further: hops,
    events: (events ?? []).map(readEvent),
  }
}

function readEvent(event: z.infer<typeof eventSchema>): TraceEvent {
  const {type, kind, name, subj, to, from, acc, sub, queue, stream, error} = event
  const account = acc === undefined ? {} : {account: acc}
  const failed = error === undefined ? {} : {error}
  switch (type) {
    case 'in':
      return {type: 'in', from: kind, name, subject: subj, ...account, ...failed}
    case 'sm':
      return {type: 'mapped', to}
    case 'si':
      return {type: 'imported', account: acc ?? '', from, to}
    case 'eg': {
      const listener = {...(sub === undefined ? {} : {subscription: sub}), ...(queue === undefined ? {} : {queue})}
      return {type: 'out', to: kind, name, ...account, ...listener, ...failed}
    }
    case 'js':
      return {type: 'stored', stream, ...failed}
    default:
      return {type: 'other', name: type}
  }
}

function headerOf(headers: Readonly<Record<string, readonly string[]>> | undefined, name: string): string | undefined {
  const found = Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase())
  return found?.[1][0]
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
