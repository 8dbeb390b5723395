import type {Msg, NatsConnection} from '@nats-io/transport-node'

/** A server that is not there: a system-account client answers in its place, as the test says. */
export interface ScriptedServer {
  readonly name: string
  readonly id: string
  /** Tokens that were pushed to it, in order. */
  readonly pushed: readonly string[]
}

export interface ServerScript {
  /** What it answers to a pushed token; default: code 200, and nothing is done. */
  readonly onPush?: (token: string) => Promise<object> | object
  /** `account_detail` of its ACCOUNTZ; undefined: the account is not loaded there. */
  readonly account?: () => object | undefined
  /** The token it has stored; undefined: it does not answer look-ups. */
  readonly stored: () => string | undefined
  /** Operators it trusts, as VARZ shows them. */
  readonly operators: readonly object[]
}

/** Lets a scripted server answer beside the real one, which stands alone, so that it counts as a second one. */
export async function scriptedServer(
  nc: NatsConnection,
  account: string,
  script: ServerScript,
): Promise<ScriptedServer> {
  const identity = {name: 'scripted', id: `N${'S'.repeat(55)}`, ver: '2.15.2', host: '127.0.0.1', jetstream: false}
  const pushed: string[] = []
  const envelope = (body: object): string =>
    JSON.stringify({server: {...identity, time: new Date().toISOString()}, ...body})
  const answer = (subject: string, reply: (message: Msg) => Promise<string | undefined> | string | undefined): void => {
    nc.subscribe(subject, {
      callback: (_error, message) => {
        void Promise.resolve(reply(message)).then((text) => text !== undefined && message.respond(text))
      },
    })
  }
  answer('$SYS.REQ.SERVER.PING', () => envelope({statsz: {active_servers: 2}}))
  answer('$SYS.REQ.SERVER.PING.VARZ', () =>
    envelope({data: {now: new Date().toISOString(), trusted_operators_claim: script.operators}}),
  )
  answer('$SYS.REQ.SERVER.PING.ROUTEZ', () => envelope({data: {routes: []}}))
  answer('$SYS.REQ.SERVER.PING.GATEWAYZ', () => envelope({data: {}}))
  // Nobody uses it, and it has a full resolver, which listens for tokens and gives them to others.
  answer('$SYS.REQ.SERVER.PING.SUBSZ', (message) => {
    const {test = ''} = message.json<{test?: string}>()
    const own = test.startsWith('$SYS.REQ.CLAIMS.') ? [{subject: test, qgroup: 'responder'}] : []
    return envelope({data: {subscriptions_list: own}})
  })
  answer('$SYS.REQ.SERVER.PING.ACCOUNTZ', () => {
    const detail = script.account?.()
    return envelope(
      detail === undefined
        ? {error: {code: 500, description: `Account "${account}" does not exist`}}
        : {data: {account_detail: detail}},
    )
  })
  answer(`$SYS.REQ.ACCOUNT.${account}.CLAIMS.LOOKUP`, () => script.stored())
  answer('$SYS.REQ.CLAIMS.UPDATE', async (message) => {
    pushed.push(message.string())
    return envelope((await script.onPush?.(message.string())) ?? {data: {account, code: 200, message: 'jwt updated'}})
  })
  await nc.flush()
  return {name: identity.name, id: identity.id, pushed}
}
