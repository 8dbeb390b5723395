import {
  AmbiguousError,
  ConflictError,
  ConnectionError,
  NotFoundError,
  ServerError,
  TimeoutError,
  type ErrorOptions,
  type LatticeError,
} from '../errors.js'
import {clean} from '../output/text.js'

/** Variable that names the file of the token. */
export const tokenVariable = 'LATTICE_CP_TOKEN_FILE'

/** One request, as sentences name it: `GET /api/core/beta/teams`. */
export type Asked = `${'GET' | 'PATCH'} ${string}`

/** What an answer that is no success means. */
export interface Refusal {
  readonly asked: Asked
  readonly status: number
  /** What the control plane says of it, printable and short. */
  readonly words: string
}

/** The error for an answer that is no success. */
export function refusalError({asked, status, words}: Refusal): LatticeError {
  const said = words === '' ? '' : `: ${words}`
  const details = {request: asked, status}
  if (status === 401) {
    return new ConnectionError(`The control plane does not know the token (${asked}: 401)${said}.`, {
      suggestions: [`${tokenVariable}=FILE with a personal access token, or one of a service account`],
      details,
    })
  }
  if (status === 403) {
    return new ConnectionError(`The token may not do this at the control plane (${asked}: 403)${said}.`, {
      suggestions: [`${tokenVariable}=FILE with the token of somebody who may change the account`],
      details,
    })
  }
  if (status >= 300 && status < 400) {
    return new ConnectionError(
      `The control plane sends us elsewhere (${asked}: ${status}), where the token is not taken.`,
      {
        suggestions: ['LATTICE_CP_URL=URL with the address that it redirects to, when you trust it'],
        details,
      },
    )
  }
  const sentence = `The control plane answered ${status} to ${asked}${said}.`
  if (status === 404) return new NotFoundError(sentence, {suggestions: ['--control-plane-account ID'], details})
  if (status === 409) return new ConflictError(sentence, {suggestions: ['Run the same command again.'], details})
  return new ServerError(sentence, {details})
}

/** What may be shown of an answer's text: one short line, and never the token, whoever repeats it. */
export function wordsOf(text: string, token: string): string {
  const line = clean(text.replaceAll(token, '…').trim().replace(/\s+/g, ' '))
  return (line.length > 200 ? `${line.slice(0, 200)}…` : line).replace(/\.$/, '')
}

/** It asks to be asked later. */
export class RateLimitedError extends TimeoutError {
  readonly waitMs: number

  constructor(asked: Asked, waitMs: number) {
    const seconds = Math.ceil(waitMs / 1000)
    super(`The control plane takes no more requests for ${seconds} s (${asked}: 429).`, {
      suggestions: [`--timeout ${seconds + 5}s   (waits for it)`],
      details: {request: asked, retryAfterMs: waitMs},
    })
    this.waitMs = waitMs
  }
}

/** A request got no answer; where it was not sent, nothing happened. */
export class NoAnswerError extends ConnectionError {
  readonly sent: boolean

  constructor(
    asked: Asked,
    {where, reason, sent}: {readonly where: string; readonly reason: string; readonly sent: boolean},
  ) {
    super(`Cannot ask the control plane '${where}' (${asked}): ${reason}.`, {
      suggestions: reason.includes('certificate')
        ? ['NODE_EXTRA_CA_CERTS=FILE with the certificate of its authority']
        : ['LATTICE_CP_URL=https://HOST'],
      details: {request: asked, url: where},
    })
    this.sent = sent
  }
}

/** A change was sent, and the answer is lost or says nothing of what became of it. */
export class UnknownPatchError extends TimeoutError {
  constructor(cause: LatticeError) {
    super(cause.message, {suggestions: cause.suggestions, details: cause.details, cause})
  }
}

/** An answer that fits nothing that is published. */
export class MalformedAnswerError extends ServerError {
  constructor(asked: Asked, what: string) {
    super(`The control plane's answer to ${asked} ${what}.`, {details: {request: asked}})
  }
}

/** The token sees no account with this key. */
export class NoAccountError extends NotFoundError {
  constructor(where: string, account: string, unseen: number) {
    const hidden = unseen === 0 ? '' : ` (${unseen} of its lists may not be read)`
    super(`The control plane '${where}' shows the token no account with the key '${account}'${hidden}.`, {
      suggestions: [
        '--control-plane-account ID (or LATTICE_CP_ACCOUNT)',
        `${tokenVariable}=FILE of somebody who may see it`,
      ],
      details: {account, unseen},
    })
  }
}

/** Several accounts of it have the same key. */
export class SeveralAccountsError extends AmbiguousError {
  constructor(account: string, ids: readonly string[]) {
    super(`The control plane has ${ids.length} accounts with the key '${account}'.`, {
      suggestions: ids.map((id) => `--control-plane-account ${id}`),
      details: {account, ids},
    })
  }
}

/** The account that was named is another than the one that we are connected to. */
export class OtherAccountError extends ConnectionError {
  constructor(id: string, {found, account}: {readonly found: string | undefined; readonly account: string}) {
    const is = found === undefined ? 'does not say which key it has' : `has the key '${clean(found).slice(0, 80)}'`
    super(`Account '${id}' of the control plane ${is}, and the connection is one of account '${account}'.`, {
      suggestions: ['Leave out --control-plane-account and LATTICE_CP_ACCOUNT: it is found by its key.'],
      details: {id, account, ...(found === undefined ? {} : {found})},
    })
  }
}

/** It stored the change and could not bring it to the servers. */
export class NotSyncedError extends ServerError {
  constructor(reason: string, options: ErrorOptions = {}) {
    super(
      `The control plane took the change and could not bring it to the servers: ${reason}; the previous mappings are in place again.`,
      options,
    )
  }
}
