import type {AccountView} from '../../apply/account-state.js'
import {ConnectionError, UnsafeError} from '../../errors.js'
import {decodeToken} from '../../keys/token.js'
import {userToken} from '../../nats/creds.js'
import type {ConnectSpec} from '../../nats/spec.js'
import {systemSpec} from '../../nats/system-user.js'
import type {Session} from '../session.js'

/** Something that a later change needs, and when it ends; milliseconds since the epoch. */
export interface Ending {
  readonly what: string
  readonly at: number
}

/** When user, system user and account end, the earliest first; what has no end, or cannot be read, is left out. */
export async function readEndings({deps: {spec}, view}: Pick<Session, 'deps' | 'view'>): Promise<Ending[]> {
  const [user, system] = await Promise.all([userToken(spec), systemToken(spec)])
  const account = (view as Partial<AccountView>).token?.expires
  return [
    ...endOf("The user's token", user),
    ...endOf("The system user's token", system),
    ...(account === undefined ? [] : [{what: "The account's token", at: account * 1000}]),
  ].sort((a, b) => a.at - b.at)
}

/** Throws an EndsFirstError when something ends that putting a route back at that time needs. */
export async function refuseEndings(session: Pick<Session, 'deps' | 'view'>, until: number): Promise<void> {
  const [first] = await readEndings(session)
  if (first !== undefined && first.at < until + marginMs) throw new EndsFirstError(first, until)
}

/** A change takes a moment. */
const marginMs = 10_000

/** A user that is made with a key is made anew for the change that puts the route back. */
async function systemToken(spec: ConnectSpec): Promise<string | undefined> {
  if (spec.sysCreds === undefined && spec.sysContext === undefined) return undefined
  return userToken((await systemSpec(spec)).spec).catch((error: unknown) => {
    if (error instanceof ConnectionError) return undefined
    throw error
  })
}

function endOf(what: string, token: string | undefined): Ending[] {
  const exp = token === undefined ? undefined : decodeToken(token).payload['exp']
  return typeof exp === 'number' && exp > 0 ? [{what, at: exp * 1000}] : []
}

/** A route for some time could not be put back in the end. */
export class EndsFirstError extends UnsafeError {
  constructor({what, at}: Ending, until: number) {
    const [end, back] = [new Date(at).toISOString(), new Date(until).toISOString()]
    super(`${what} expires at ${end}, and the route would have to be put back at ${back}.`, {
      suggestions: ['--for with a shorter time', 'Use credentials that last longer.'],
      details: {endsAt: end, expiresAt: back, rule: 'ends-first'},
    })
  }
}
