import {z} from 'zod'

import {ConnectionError, ServerError} from '../errors.js'
import {decodePercent} from './addresses.js'
import type {Monitoring, ServerIdentity, SystemReply} from './system.js'

export interface MonitorOptions {
  readonly timeoutMs: number
}

/** No honest answer is longer. */
const mostBytes = 64 * 1024 * 1024

/** What the two ways call differently; other fields have the same name on both. */
const parameters: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  accountz: {account: 'acc'},
  subsz: {account: 'acc', subscriptions: 'subs'},
  leafz: {account: 'acc', subscriptions: 'subs'},
  connz: {account: 'acc', subscriptions_detail: 'subs', subscriptions: 'subs'},
}

const identitySchema = z
  .object({
    server_id: z.string(),
    server_name: z.string(),
    version: z.string(),
    cluster: z.object({name: z.string().optional()}).optional(),
  })
  .transform(({server_id: id, server_name: name, version, cluster}): ServerIdentity => ({
    id,
    name,
    version,
    ...(cluster?.name ? {cluster: cluster.name} : {}),
  }))

/**
 * Servers that are asked at their monitoring addresses, where no system user is at hand; they tell, and take no orders.
 * Throws a ConnectionError that names an address where none answers.
 */
export async function openMonitors(urls: readonly URL[], options: MonitorOptions): Promise<Monitoring> {
  const found = await Promise.all(
    urls.map(async (url) => {
      const {value, text} = await get(url, 'varz', {}, options)
      const identity = identitySchema.safeParse(value)
      if (!identity.success) throw new NoMonitorError(url, `it answers ${JSON.stringify(text.slice(0, 60))}`)
      return {url, server: identity.data}
    }),
  )
  const monitors = [...new Map(found.map((one) => [one.server.id, one])).values()]
  return {
    timeoutMs: options.timeoutMs,
    servers: () => Promise.resolve(monitors.map(({server}) => server).sort((a, b) => (a.name < b.name ? -1 : 1))),
    ask: async (endpoint, body) => {
      const replies = await Promise.all(monitors.map((monitor) => askOne(monitor, {endpoint, body}, options)))
      return replies.filter((reply) => reply !== undefined)
    },
  }
}

/** A server that is gone is missing among the replies, as it is when the system account asks. */
async function askOne(
  {url, server}: {readonly url: URL; readonly server: ServerIdentity},
  {endpoint, body}: {readonly endpoint: string; readonly body: unknown},
  options: MonitorOptions,
): Promise<SystemReply | undefined> {
  const path = endpoint.toLowerCase()
  try {
    const {ok, value, text, status} = await get(url, path, queryOf(path, body), options)
    if (ok && value !== undefined) return {server, data: value}
    if (ok) throw new ServerError(`The answer of '${shown(url)}' to ${endpoint} is not JSON.`)
    return {server, error: {code: status, description: text.trim().slice(0, 300)}}
  } catch (error) {
    if (error instanceof NoMonitorError) return undefined
    throw error
  }
}

function queryOf(path: string, body: unknown): Record<string, string> {
  const names = parameters[path] ?? {}
  const query: Record<string, string> = {}
  for (const [field, value] of Object.entries((body ?? {}) as Record<string, string | number | boolean | undefined>)) {
    const name = names[field] ?? field
    if (value === undefined || value === false) continue
    query[name] = field === 'subscriptions_detail' ? 'detail' : value === true ? (query[name] ?? '1') : String(value)
  }
  return query
}

interface Answer {
  readonly ok: boolean
  readonly status: number
  readonly text: string
  /** Undefined for what is not JSON. */
  readonly value: unknown
}

/** Answers from elsewhere are not this server's, so nothing is followed. */
async function get(
  base: URL,
  path: string,
  query: Readonly<Record<string, string>>,
  {timeoutMs}: MonitorOptions,
): Promise<Answer> {
  const url = new URL(base)
  const {username, password} = base
  url.username = ''
  url.password = ''
  url.pathname = `${base.pathname.replace(/\/$/, '')}/${path}`
  url.search = new URLSearchParams(query).toString()
  const login = Buffer.from(`${decodePercent(username)}:${decodePercent(password)}`).toString('base64')
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: username === '' ? {} : {authorization: `Basic ${login}`},
    })
    if (response.status >= 300 && response.status < 400) throw new NoMonitorError(base, 'it sends us elsewhere')
    const text = await readText(response, base)
    return {ok: response.ok, status: response.status, text, value: parseJson(text)}
  } catch (error) {
    if (error instanceof NoMonitorError) throw error
    throw new NoMonitorError(base, reasonOf(error, timeoutMs), error)
  }
}

async function readText(response: Response, base: URL): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > mostBytes) throw new NoMonitorError(base, 'its answer does not end')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Nobody answers as a server's monitoring port does. */
export class NoMonitorError extends ConnectionError {
  constructor(url: URL, reason: string, cause?: unknown) {
    super(`Cannot ask the monitoring port '${shown(url)}': ${reason}.`, {
      suggestions: [
        '--monitor-url http://HOST:8222, one for each server',
        'Start the server with http_port or -m 8222.',
      ],
      details: {url: shown(url)},
      cause,
    })
  }
}

function reasonOf(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return code === 'ECONNREFUSED' ? 'nothing listens there' : code || 'it does not speak HTTP'
}

/** What may be printed of an address. */
function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
