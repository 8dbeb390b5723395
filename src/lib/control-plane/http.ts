import {request as requestPlain, type IncomingMessage} from 'node:http'
import {request as requestSecure} from 'node:https'

import {MalformedAnswerError, NoAnswerError, type Asked} from './errors.js'
import {shownUrl} from './url.js'

/** One request to a control plane. */
export interface HttpRequest {
  readonly base: URL
  readonly method: 'GET' | 'PATCH'
  /** Behind the base, such as `/api/core/beta/teams`; its parts are encoded. */
  readonly path: string
  readonly token: string
  readonly body?: string
  readonly timeoutMs: number
}

export interface HttpAnswer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly text: string
}

/** No honest answer is longer: a list of accounts holds all their tokens. */
const mostBytes = 32 * 1024 * 1024

/**
 * Sends one request on a connection of its own and reads the whole answer; nothing is followed and nothing sent twice.
 * Throws a NoAnswerError that says whether the request may have arrived, and a MalformedAnswerError for one without end.
 */
export async function sendRequest(request: HttpRequest): Promise<HttpAnswer> {
  const {base, method, path, token, body, timeoutMs} = request
  const asked: Asked = `${method} ${path}`
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/$/, '')}${path}`
  const secure = url.protocol === 'https:'
  let connected = false
  return new Promise<HttpAnswer>((resolve, reject) => {
    const outgoing = (secure ? requestSecure : requestPlain)(url, {
      method,
      // A connection that was used before may be closed just when the change is sent.
      agent: false,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : {'content-type': 'application/json', 'content-length': Buffer.byteLength(body)}),
      },
      signal: AbortSignal.timeout(Math.max(1, timeoutMs)),
    })
    const fail = (error: Error): void => {
      if (error instanceof MalformedAnswerError) return reject(error)
      const where = {where: shownUrl(base), reason: reasonOf(error, timeoutMs), sent: connected}
      reject(new NoAnswerError(asked, where))
    }
    outgoing.on('socket', (socket) => socket.once(secure ? 'secureConnect' : 'connect', () => (connected = true)))
    outgoing.on('error', fail)
    outgoing.on('response', (response) => {
      readAll(response, asked).then(
        (text) => resolve({status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], text}),
        fail,
      )
    })
    outgoing.end(body)
  })
}

async function readAll(response: IncomingMessage, asked: Asked): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > mostBytes) throw new MalformedAnswerError(asked, `is longer than ${mostBytes / 1024 / 1024} MiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const knownReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  EPROTO: 'it does not speak TLS',
}

/** The code says enough; the error's own text may hold what was sent. */
function reasonOf(error: Error, timeoutMs: number): string {
  const {code = ''} = error as NodeJS.ErrnoException
  if (error.name === 'AbortError' || error.name === 'TimeoutError')
    return `no answer within ${Math.round(timeoutMs)} ms`
  if (/CERT|SELF_SIGNED|LEAF_SIGNATURE|ALTNAME/.test(code)) return `its certificate is not trusted (${code})`
  if (code.startsWith('HPE_')) return 'it does not speak HTTP'
  if (code.startsWith('ERR_SSL_')) return 'it does not speak TLS'
  return knownReasons[code] ?? (code === '' ? 'the connection was cut' : `it failed with ${code}`)
}
