import {z} from 'zod'

import {ConnectionError, NotFoundError, UsageError} from '../errors.js'
import {clean} from '../output/text.js'
import {readAccountToken} from '../routing/account-jwt.js'
import type {TokenMappings} from '../routing/effective.js'
import type {ControlPlane} from './client.js'
import {MalformedAnswerError, NoAccountError, OtherAccountError, SeveralAccountsError} from './errors.js'

/** An account as a control plane shows it. */
export interface ShownAccount {
  readonly id: string
  /** `A…`; undefined where neither the account nor its token says it. */
  readonly publicKey: string | undefined
  /** What it is set to, whether servers have it yet or not. */
  readonly mappings: TokenMappings
  /** Whether servers have what it is set to; undefined where it does not say. */
  readonly sync: 'InProgress' | 'Complete' | 'Failed' | undefined
  /** Why they do not, printable. */
  readonly syncError: string
}

const destinationSchema = z.object({
  subject: z.string(),
  weight: z.number().int().min(0).max(255).nullish(),
  cluster: z.string().nullish(),
})

const accountSchema = z.object({
  id: z.string(),
  account_public_key: z.string().nullish(),
  jwt: z.string().nullish(),
  jwt_settings: z.object({mappings: z.record(z.string(), z.array(destinationSchema).nullable()).nullish()}).nullish(),
  jwt_sync_status: z.string().nullish(),
  jwt_sync_error: z.string().nullish(),
})

const listSchema = z.object({items: z.array(z.object({id: z.string(), account_public_key: z.string().nullish()}))})

const idForm = /^[\w-]{1,128}$/

/**
 * The account with this public key, by its id where one is given, else by every team and system that the token sees.
 * Throws a NoAccountError, a SeveralAccountsError, and an OtherAccountError where the id is that of another account.
 */
export async function findAccount(plane: ControlPlane, account: string, id?: string): Promise<ShownAccount> {
  if (id !== undefined && !idForm.test(id)) {
    throw new UsageError(`${JSON.stringify(id)} is not the id of an account of a control plane.`, {
      suggestions: ['Its page in the control plane has the id in the address.'],
    })
  }
  const shown = await readShown(plane, id ?? (await findId(plane, account)))
  if (shown.publicKey !== account) throw new OtherAccountError(shown.id, {found: shown.publicKey, account})
  return shown
}

/** The account by its id; throws a MalformedAnswerError that names what does not fit. */
export async function readShown(plane: ControlPlane, id: string): Promise<ShownAccount> {
  const value = await plane.get('accounts', id)
  const found = parse(accountSchema, value, `accounts/${id}`)
  const {jwt_settings: settings, jwt_sync_status: sync, jwt_sync_error: syncError} = found
  return {
    id,
    publicKey: found.account_public_key || keyOf(found.jwt),
    mappings: Object.fromEntries(
      Object.entries(settings?.mappings ?? {}).map(([source, list]) => [source, (list ?? []).map(asDestination)]),
    ),
    sync: sync === 'InProgress' || sync === 'Complete' || sync === 'Failed' ? sync : undefined,
    syncError: plane.words(syncError ?? ''),
  }
}

/** Lists that the token may not read hide nothing that it could change. */
async function findId(plane: ControlPlane, account: string): Promise<string> {
  let unseen = 0
  const list = async (...parts: string[]): Promise<z.infer<typeof listSchema>['items']> => {
    try {
      const {items} = parse(listSchema, await plane.get(...parts), parts.join('/'))
      const odd = items.find(({id}) => !idForm.test(id))
      if (odd !== undefined) throw malformed(parts.join('/'), 'items.id')
      return items
    } catch (error) {
      if (parts.length === 1 || !isHidden(error)) throw error
      unseen += 1
      return []
    }
  }
  const found = new Set<string>()
  for (const team of await list('teams')) {
    for (const system of await list('teams', team.id, 'systems')) {
      const accounts = await list('systems', system.id, 'info', 'accounts')
      for (const {id, account_public_key: key} of accounts) if (key === account) found.add(id)
    }
  }
  const [first, ...others] = [...found].sort()
  if (first === undefined) throw new NoAccountError(plane.shown, account, unseen)
  if (others.length > 0) throw new SeveralAccountsError(account, [first, ...others])
  return first
}

function isHidden(error: unknown): boolean {
  if (error instanceof NotFoundError) return true
  return error instanceof ConnectionError && error.details['status'] === 403
}

/** In a token no weight is one of 100, as 0 is. */
function asDestination({subject, weight, cluster}: z.infer<typeof destinationSchema>): TokenMappings[string][number] {
  return {subject, ...(weight == null ? {} : {weight}), ...(cluster ? {cluster} : {})}
}

function keyOf(token: string | null | undefined): string | undefined {
  try {
    return token ? readAccountToken(token).account : undefined
  } catch {
    return undefined
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw malformed(path, result.error.issues[0]?.path.join('.') ?? '')
}

function malformed(path: string, where: string): MalformedAnswerError {
  const what = where === '' ? 'fits no known form' : `fits no known form: ${clean(where).slice(0, 200)}`
  return new MalformedAnswerError(`GET /api/core/beta/${path}`, what)
}
