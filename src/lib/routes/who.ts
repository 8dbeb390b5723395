import {hostname} from 'node:os'

import type {NatsConnection} from '@nats-io/transport-node'
import {z} from 'zod'

import {ConnectionError} from '../errors.js'
import {accountOf} from '../nats/creds.js'
import {requestOwnServer} from '../nats/request-own.js'
import {NoRespondersError} from '../nats/request.js'
import type {ConnectSpec} from '../nats/spec.js'

/** Who acts, as far as it is known. */
export interface Who {
  /** Public key `U…` or user name that the server knows. */
  readonly user?: string
  /** Public key `A…` of the account, or its name where accounts stand in configuration files. */
  readonly account: string
  /** Name of this machine. */
  readonly host: string
  /** Names that a CI system put into variables, which anyone may set. */
  readonly claimed?: Readonly<Record<string, string>>
}

const userSchema = z.object({data: z.object({user: z.string().optional(), account: z.string().optional()}).optional()})

const ciVariables = {
  actor: ['GITHUB_ACTOR', 'GITLAB_USER_LOGIN', 'BUILDKITE_BUILD_CREATOR', 'CIRCLE_USERNAME', 'BUILD_USER_ID'],
  run: ['GITHUB_RUN_ID', 'CI_JOB_URL', 'BUILDKITE_BUILD_URL', 'CIRCLE_BUILD_URL', 'BUILD_URL'],
} as const

/** Asks the server who we are to it; throws a ConnectionError when the account is not one that has a token. */
export async function identify(
  nc: NatsConnection,
  spec: ConnectSpec,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Who> {
  const known = await askServer(nc, spec.timeoutMs)
  const account = known.account ?? (await accountOf(spec))
  if (account === undefined) throw new UnknownAccountError()
  const claimed = claimedNames(env)
  return {
    ...(known.user === undefined ? {} : {user: known.user}),
    account,
    host: hostname(),
    ...(Object.keys(claimed).length === 0 ? {} : {claimed}),
  }
}

/** True for the public key of an account, which has a token; others stand in configuration files. */
export function isTokenAccount(account: string): boolean {
  return /^A[A-Z2-7]{55}$/.test(account)
}

/** Who it is, in a few words. */
export function formatWho({user, host, claimed}: Who): string {
  const name = claimed?.['actor'] === undefined ? (user ?? 'an unknown user') : `${claimed['actor']} (claimed)`
  return `${name} on ${host}`
}

/** Servers before 2.10 do not answer. */
async function askServer(nc: NatsConnection, timeoutMs: number): Promise<{user?: string; account?: string}> {
  try {
    const {data = {}} = userSchema.parse(await requestOwnServer(nc, '$SYS.REQ.USER.INFO', timeoutMs))
    return {...(data.user && {user: data.user}), ...(data.account && {account: data.account})}
  } catch (error) {
    if (error instanceof NoRespondersError) return {}
    throw error
  }
}

function claimedNames(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ciVariables).flatMap(([name, variables]) => {
      const value = variables.map((variable) => env[variable]).find((text) => text !== undefined && text !== '')
      return value === undefined ? [] : [[name, value.slice(0, 200)]]
    }),
  )
}

/** Neither the server nor the credentials say whose account it is. */
export class UnknownAccountError extends ConnectionError {
  constructor() {
    super('The connection belongs to no account that is known.', {
      suggestions: ['Connect to a server of version 2.10 or newer, or with a creds file.'],
    })
  }
}

/** The servers are not in operator mode, so there is no account token to change. */
export class NoTokenAccountError extends ConnectionError {
  constructor(account: string) {
    super(`The account '${account}' has no token: these servers are not in operator mode.`, {
      suggestions: ['--config FILE with the configuration file of each server, for routes by configuration'],
      details: {account},
    })
  }
}
