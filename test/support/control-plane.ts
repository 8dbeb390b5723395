import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'

import {z} from 'zod'

import type {OperatorServer} from './nats-server.js'
import {tempFolder} from './temp.js'
import {changeAccount} from './users.js'

/** As the published interface has it: what it does not name is refused. */
const weightedMapping = z.strictObject({
  subject: z.string(),
  weight: z.number().int().min(0).max(255).optional(),
  cluster: z.string().optional(),
})
const updateRequest = z.strictObject({
  auth_type: z.enum(['jwt', 'tls', 'nkey', 'username']).optional(),
  connectors: z.boolean().optional(),
  connectors_log_stream: z.string().optional(),
  jwt_settings: z
    .strictObject({
      authorization: z.unknown().optional(),
      description: z.string().nullish(),
      info_url: z.string().nullish(),
      limits: z.unknown().optional(),
      mappings: z.record(z.string(), z.array(weightedMapping).nullable()).nullish(),
      revocations: z.record(z.string(), z.number().int().nullable()).nullish(),
      tags: z.array(z.string()).nullish(),
    })
    .optional(),
  name: z.string().optional(),
  user_cred: z.string().optional(),
  user_jwt_expires_in_secs: z.number().int().optional(),
  user_secret: z.string().optional(),
  workloads: z.boolean().optional(),
  workloads_log_stream: z.string().optional(),
})

export type Mappings = Record<string, readonly z.infer<typeof weightedMapping>[]>

/** An account of the control plane; tests may change what it is set to as its other users would. */
export interface ManagedAccount {
  readonly id: string
  readonly team: string
  readonly system: string
  readonly publicKey: string
  mappings: Mappings
  sync: 'InProgress' | 'Complete' | 'Failed'
  syncError: string
}

export interface TakenRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: unknown
}

/** What is done with one request instead of, or after, what is asked. */
export type Interference = (
  response: ServerResponse,
  context: {readonly request: TakenRequest; readonly serve: () => Promise<void>},
) => Promise<void> | void

export interface TestControlPlane extends AsyncDisposable {
  readonly url: string
  readonly token: string
  readonly tokenFile: string
  readonly accounts: ManagedAccount[]
  readonly requests: TakenRequest[]
  /** The bodies of all changes. */
  readonly patches: () => readonly {readonly jwt_settings: {readonly mappings: Record<string, unknown>}}[]
  /** Lets something happen to the next request of a method whose path fits. */
  readonly interfere: (method: 'GET' | 'PATCH', path: RegExp, interference: Interference) => void
  /** Lets nothing happen any more. */
  readonly forgive: () => void
  /** Variables that lead there. */
  readonly env: Readonly<Record<string, string>>
}

export interface TestControlPlaneOptions {
  /** Server whose account it manages: what it is set to is pushed as a token. */
  readonly server?: OperatorServer | undefined
  readonly publicKey?: string
  readonly mappings?: Mappings
}

/** An HTTP server that keeps to the published interface as far as routes use it. */
export async function startControlPlane(options: TestControlPlaneOptions = {}): Promise<TestControlPlane> {
  const folder = await tempFolder()
  const token = `uat_${randomUUID()}`
  const tokenFile = join(folder.path, 'token')
  await writeFile(tokenFile, `${token}\n`, {mode: 0o600})
  const account: ManagedAccount = {
    id: idOf(),
    team: idOf(),
    system: idOf(),
    publicKey: options.publicKey ?? options.server?.account.publicKey ?? '',
    mappings: options.mappings ?? {},
    sync: 'Complete',
    syncError: '',
  }
  const state = {accounts: [account], requests: [] as TakenRequest[], interferences: [] as Interfering[]}
  const push = pusher(options.server)
  const server = createServer((request, response) => {
    void handle({...state, token, push}, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    token,
    tokenFile,
    accounts: state.accounts,
    requests: state.requests,
    patches: () => state.requests.filter(({method}) => method === 'PATCH').map(({body}) => body as never),
    interfere: (method, path, interference) => void state.interferences.push({method, path, interference}),
    forgive: () => void state.interferences.splice(0),
    env: {LATTICE_CP_URL: url, LATTICE_CP_TOKEN_FILE: tokenFile},
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Answers with a status, and does nothing. */
export function answering(status: number, headers: Record<string, string> = {}, text = ''): Interference {
  return (response) => void response.writeHead(status, headers).end(text)
}

/** Does what is asked, and answers with another status, as a gateway does that lost patience. */
export function answeringAfterwards(status: number): Interference {
  return async (response, {serve}) => {
    const [writeHead, end] = [response.writeHead.bind(response), response.end.bind(response)]
    response.writeHead = () => response
    response.end = () => response
    await serve()
    writeHead(status)
    end()
  }
}

/** Does what is asked, and cuts the connection before the answer. */
export const losingTheAnswer: Interference = async (response, {serve}) => {
  const {socket} = response
  response.end = () => response
  await serve()
  socket?.destroy()
}

/** Cuts the connection and does nothing. */
export const losingTheRequest: Interference = (response) => void response.socket?.destroy()

interface Interfering {
  readonly method: string
  readonly path: RegExp
  readonly interference: Interference
}

interface Plane {
  readonly token: string
  readonly accounts: readonly ManagedAccount[]
  readonly requests: TakenRequest[]
  readonly interferences: Interfering[]
  readonly push: (account: ManagedAccount) => void
}

async function handle(plane: Plane, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const {method = '', url: path = '', headers} = incoming
  let text = ''
  for await (const chunk of incoming as AsyncIterable<Buffer>) text += chunk.toString('utf8')
  const request = {
    method,
    path,
    authorization: headers.authorization,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  }
  plane.requests.push(request)
  const serve = (): Promise<void> => {
    answer(plane, request, response)
    return Promise.resolve()
  }
  const index = plane.interferences.findIndex((one) => one.method === method && one.path.test(path))
  if (index < 0) {
    await serve()
    return
  }
  const [{interference}] = plane.interferences.splice(index, 1) as [Interfering]
  await interference(response, {request, serve})
}

function answer(plane: Plane, request: TakenRequest, response: ServerResponse): void {
  const send = (status: number, value?: unknown): void => {
    response.writeHead(status, value === undefined ? {} : {'content-type': 'application/json'})
    response.end(value === undefined ? undefined : JSON.stringify(value))
  }
  if (request.authorization !== `Bearer ${plane.token}`) return send(401)
  const parts = request.path.replace('/api/core/beta/', '').split('/')
  const [kind, id, under, last] = parts
  const items = (list: readonly unknown[]): void => send(200, {items: list})
  const unique = (field: 'team' | 'system', within = plane.accounts): string[] => [
    ...new Set(within.map((one) => one[field])),
  ]
  if (request.method === 'GET' && kind === 'teams' && id === undefined) {
    return items(unique('team').map((team) => ({id: team, name: 'team', created: created()})))
  }
  if (request.method === 'GET' && kind === 'teams' && under === 'systems') {
    const systems = unique(
      'system',
      plane.accounts.filter(({team}) => team === id),
    )
    return systems.length === 0 ? send(404) : items(systems.map((system) => ({id: system, name: 'system'})))
  }
  if (request.method === 'GET' && kind === 'systems' && under === 'info' && last === 'accounts') {
    return items(plane.accounts.filter(({system}) => system === id).map(infoOf))
  }
  const account = kind === 'accounts' && parts.length === 2 ? plane.accounts.find((one) => one.id === id) : undefined
  if (account === undefined) return send(404)
  if (request.method === 'GET') return send(200, viewOf(account))
  if (request.method !== 'PATCH') return send(405)
  const asked = updateRequest.safeParse(request.body)
  if (!asked.success) return send(400, {error: asked.error.message})
  change(account, asked.data.jwt_settings?.mappings ?? {})
  plane.push(account)
  send(200, viewOf(account))
}

function change(account: ManagedAccount, patch: Record<string, Mappings[string] | null>): void {
  const present = new Map(Object.entries(account.mappings))
  for (const [source, list] of Object.entries(patch)) {
    if (list === null) present.delete(source)
    else present.set(source, list)
  }
  account.mappings = Object.fromEntries(present)
}

/** Brings what an account is set to to the server, one token after the other. */
function pusher(server: OperatorServer | undefined): (account: ManagedAccount) => void {
  let last = Promise.resolve()
  return (account) => {
    if (account.publicKey !== server?.account.publicKey) return
    account.sync = 'InProgress'
    last = last
      .then(() => changeAccount(server, {mappings: account.mappings}))
      .then(
        () => void (account.sync = 'Complete'),
        (error: unknown) => void Object.assign(account, {sync: 'Failed', syncError: String(error)}),
      )
  }
}

function infoOf({id, publicKey}: ManagedAccount): object {
  return {
    id,
    account_public_key: publicKey,
    auth_type: 'jwt',
    is_platform_account: false,
    is_scp_account: false,
    is_system_account: false,
    name: 'APP',
    user_jwt_expires_in_secs: 0,
  }
}

function viewOf(account: ManagedAccount): object {
  const {mappings, sync, syncError, system, team} = account
  return {
    ...infoOf(account),
    connectors: false,
    created: created(),
    jwt_settings: {mappings},
    jwt_sync_error: syncError,
    jwt_sync_status: sync,
    nsc_managed: false,
    system: {id: system, name: 'system'},
    team: {id: team, name: 'team'},
    workloads: false,
  }
}

function created(): string {
  return '2026-01-01T00:00:00Z'
}

/** As long as the ids of the interface's examples. */
function idOf(): string {
  return randomUUID().replaceAll('-', '').slice(0, 27)
}
