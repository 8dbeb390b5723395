import {z} from 'zod'

import {readConfig} from '../../conf/read-config.js'
import {LatticeError} from '../../errors.js'
import {decodeToken, type JsonObject} from '../../keys/token.js'
import {grantOf, meet, refusal, type Grant} from '../../nats/grants.js'
import {requestOwnServer} from '../../nats/request-own.js'
import type {Destination, MappingPlan} from '../../routing/plan.js'
import {finding, type Finding} from '../../routing/rule-book.js'
import {covers, patternOf} from '../../routing/subject.js'
import type {ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {translateSubject} from './imported-subject.js'

/** Somebody who may publish, and what. */
export interface Caller {
  /** As it is written in sentences. */
  readonly name: string
  readonly grant: Grant
  /** True for our own user, who need not be one of those that call. */
  readonly self?: true
}

/** Who is known to publish in an account. */
export interface Callers {
  readonly callers: readonly Caller[]
  /** True when these are all users that the account has. */
  readonly complete: boolean
}

/** What is known of an account's users: from the servers' files, or from the account's token; and our own user. */
export async function readCallers({deps, account, view}: Session): Promise<Callers> {
  const [own, users] = await Promise.all([readOwn(deps), readUsers(deps.access?.files ?? [], account)])
  const token = view.servers.map(({live}) => live?.token).find((text) => text !== undefined && text !== '')
  const said = token === undefined ? [] : callersOfToken(token)
  return {callers: [...(users ?? []), ...said, ...own], complete: users !== undefined}
}

/** What callers need, and who is known not to have it. */
export function judgeCallers(
  {mappings}: Pick<ChangePlan, 'mappings'>,
  {callers, complete}: Callers,
): {readonly findings: readonly Finding[]; readonly permissions: readonly string[]} {
  const found = mappings.flatMap((mapping) =>
    callers.flatMap((caller) => {
      const missing = missingFor(mapping, caller.grant)
      return missing.length === 0 ? [] : [{source: mapping.source, caller, missing}]
    }),
  )
  const others = found.filter(({caller}) => caller.self === undefined)
  const needed = mappings.flatMap(({source, destinations}) =>
    destinations.map((one) => patternOf(one.subject)).filter((pattern) => !covers(source, pattern)),
  )
  const permissions = complete ? others.flatMap(({missing}) => missing) : needed
  return {
    findings: [
      ...[...Map.groupBy(others, ({source}) => source)].map(([source, lacks]) => refused(source, lacks)),
      ...found.filter(({caller}) => caller.self).map(({source, missing}) => own(source, missing)),
      ...(complete ? [] : mappings.filter(leavesPrefix).map(unseen)),
    ],
    permissions: [...new Set(permissions)].sort(),
  }
}

/** The destinations, as patterns, of what a grant lets through to the source and not beyond the mapping. */
export function missingFor({source, destinations}: MappingPlan, grant: Grant): string[] {
  const {allow, deny} = grant
  const published = (allow ?? [source])
    .flatMap((pattern) => meet(pattern, source) ?? [])
    .filter((pattern) => {
      const found = refusal(pattern, deny === undefined ? {} : {deny})
      return found?.extent !== 'all'
    })
  const missing = published.flatMap((subject) =>
    destinations
      .map((one) => destinationOf(one, source, subject))
      .filter((pattern) => refusal(pattern, grant) !== undefined),
  )
  return [...new Set(missing)]
}

/** What becomes of a part of the source; functions can become anything. */
function destinationOf({subject}: Destination, source: string, part: string): string {
  const simple = subject.replace(/\{\{\s*wildcard\((\d+)\)\s*\}\}/gi, '$$$1')
  if (simple.includes('{{')) return patternOf(simple)
  return translateSubject(part, source, simple) ?? patternOf(simple)
}

/** Whoever may publish below the source's own prefix may most often publish the versions there too. */
function leavesPrefix({source, destinations}: MappingPlan): boolean {
  const tokens = source.split('.')
  const wild = tokens.findIndex((token) => token === '*' || token === '>')
  const prefix = tokens.slice(0, Math.max(1, wild < 0 ? tokens.length - 1 : wild)).join('.')
  return destinations.some(({subject}) => subject !== source && !subject.startsWith(`${prefix}.`))
}

interface Lacking {
  readonly caller: Caller
  readonly missing: readonly string[]
}

const mostNamed = 5

function refused(source: string, lacks: readonly Lacking[]): Finding {
  const names = [...new Set(lacks.map(({caller}) => caller.name))]
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : ''
  const missing = [...new Set(lacks.flatMap((one) => one.missing))].map((subject) => `'${subject}'`)
  const sentence = `${names.slice(0, mostNamed).join(', ')}${more} may publish '${source}' and not ${missing.join(', ')}, so those requests would time out.`
  return finding('caller-permission', 'refuse', {
    source,
    sentence: sentence.replace(/^./, (first) => first.toUpperCase()),
  })
}

function own(source: string, missing: readonly string[]): Finding {
  const subjects = missing.map((subject) => `'${subject}'`).join(', ')
  const sentence = `The user of this context may publish '${source}' and not ${subjects}.`
  return finding('caller-permission', 'warn', {source, sentence})
}

function unseen({source}: MappingPlan): Finding {
  const sentence = `Callers of '${source}' need to publish elsewhere now, and it is not visible whether they may.`
  return finding('callers-unseen', 'warn', {source, sentence})
}

/** All users of the account that the files of all servers name; undefined where that cannot be known. */
async function readUsers(files: readonly string[], account: string): Promise<Caller[] | undefined> {
  if (files.length === 0) return undefined
  try {
    const facts = await Promise.all([...new Set(files)].map((file) => readConfig(file)))
    const users = facts.flatMap(({accounts}) => accounts.find(({name}) => name === account)?.users ?? [])
    const unique = new Map(users.map((user) => [`${user.name} ${JSON.stringify(user.permissions)}`, user]))
    return [...unique.values()].map(({name, permissions}) => ({
      name: `user '${name}'`,
      grant: permissions?.publish ?? {},
    }))
  } catch (error) {
    if (error instanceof LatticeError) return undefined
    throw error
  }
}

const grantSchema = z.object({allow: z.array(z.string()).nullish(), deny: z.array(z.string()).nullish()}).nullish()
const claimsSchema = z.object({
  nats: z.object({
    default_permissions: z.object({pub: grantSchema}).nullish(),
    signing_keys: z
      .array(
        z.union([
          z.string(),
          z.object({role: z.string().optional(), template: z.object({pub: grantSchema}).nullish()}),
        ]),
      )
      .nullish(),
  }),
})

/** What an account's token says of its users: the default, and the templates of its signing keys. */
export function callersOfToken(token: string): Caller[] {
  const {nats} = claimsSchema.safeParse(decodeToken(token).payload satisfies JsonObject).data ?? {}
  const scopes = (nats?.signing_keys ?? []).flatMap((key) => (typeof key === 'string' ? [] : [key]))
  return [
    {name: 'users without permissions of their own', grant: grantOf(nats?.default_permissions?.pub)},
    ...scopes.map(({role, template}) => ({
      name: role ? `users of the role '${role}'` : 'users of a scoped signing key',
      grant: withoutTemplates(grantOf(template?.pub)),
    })),
  ].filter(({grant}) => grant.allow !== undefined || grant.deny !== undefined)
}

/** What a template fills in can be anything, so it allows what it may allow and denies nothing for sure. */
function withoutTemplates({allow, deny}: Grant): Grant {
  const wild = (pattern: string): string =>
    pattern
      .split('.')
      .map((token) => (token.includes('{{') ? '*' : token))
      .join('.')
  const denied = deny?.filter((pattern) => !pattern.includes('{{'))
  return {...(allow && {allow: allow.map(wild)}), ...(denied && denied.length > 0 && {deny: denied})}
}

const infoSchema = z.object({data: z.object({permissions: z.object({publish: grantSchema}).nullish()})})

/** Servers from 2.10 on tell a user what it may do. */
async function readOwn({connection, spec}: Session['deps']): Promise<Caller[]> {
  try {
    const reply = await requestOwnServer(connection, '$SYS.REQ.USER.INFO', Math.min(spec.timeoutMs, 2000))
    const info = infoSchema.safeParse(reply)
    const grant = grantOf(info.data?.data.permissions?.publish)
    return [{name: 'the own user', grant, self: true}]
  } catch (error) {
    if (error instanceof LatticeError) return []
    throw error
  }
}
