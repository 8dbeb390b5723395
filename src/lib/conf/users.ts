import type {ConfigProblem} from './facts.js'
import {named, placeOf, type ConfigMap, type ConfigNode, type Setting} from './resolve.js'
import type {Place} from './tree.js'

/** Subjects that are allowed and denied; undefined `allow`: everything that is not denied. */
export interface ConfigSubjects {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

export interface ConfigPermissions {
  readonly publish?: ConfigSubjects
  readonly subscribe?: ConfigSubjects
  /** It may publish to the reply subjects of what it received; without `publish` to nothing else. */
  readonly responses?: true
}

/** One user of an account; passwords and tokens are not read. */
export interface ConfigUser {
  /** User name or public key; `(token)` for those who share a token. */
  readonly name: string
  readonly at: Place
  /** Its own or the account's default; undefined: it may do everything. */
  readonly permissions?: ConfigPermissions
}

/** The users of an account. */
export function readUsers(account: ConfigMap, problems: ConfigProblem[]): ConfigUser[] {
  const [defaults] = named(account, 'default_permissions')
  return listUsers(named(account, 'users')[0], defaults, problems)
}

/** The users of the top level's `authorization`, who are in `$G`. */
export function readAuthorization(root: ConfigMap, problems: ConfigProblem[]): ConfigUser[] {
  const setting = named(root, 'authorization')[0]
  if (setting?.value.kind !== 'map') return []
  const map = setting.value
  const [defaults] = named(map, 'default_permissions', 'default_permission', 'permissions')
  const [user, token] = [named(map, 'user', 'username')[0], named(map, 'token')[0]]
  const permissions = defaults && readPermissions(defaults.value)
  const own = permissions === undefined ? {} : {permissions}
  return [
    ...listUsers(named(map, 'users')[0], defaults, problems),
    ...(user?.value.kind === 'string' ? [{name: user.value.value, at: placeOf(user), ...own}] : []),
    ...(token === undefined ? [] : [{name: '(token)', at: placeOf(token), ...own}]),
  ]
}

function listUsers(users: Setting | undefined, defaults: Setting | undefined, problems: ConfigProblem[]): ConfigUser[] {
  if (users === undefined) return []
  if (users.value.kind !== 'array') {
    problems.push({at: placeOf(users), reason: "'users' is not an array"})
    return []
  }
  return users.value.items.flatMap((item) => {
    const name = item.kind === 'map' ? named(item, 'nkey', 'user', 'username')[0]?.value : undefined
    if (item.kind !== 'map' || name?.kind !== 'string') {
      problems.push({at: placeOf(item), reason: 'a user needs a name or a public key'})
      return []
    }
    const setting = named(item, 'permissions', 'permission', 'authorization')[0] ?? defaults
    const permissions = setting && readPermissions(setting.value)
    return [{name: name.value, at: placeOf(item), ...(permissions === undefined ? {} : {permissions})}]
  })
}

function readPermissions(value: ConfigNode): ConfigPermissions | undefined {
  if (value.kind !== 'map') return undefined
  const publish = readSubjects(named(value, 'pub', 'publish', 'import')[0]?.value)
  const subscribe = readSubjects(named(value, 'sub', 'subscribe', 'export')[0]?.value)
  const answer = named(value, 'publish_allow_responses', 'allow_responses')[0]?.value
  const responses = answer !== undefined && !(answer.kind === 'boolean' && !answer.value)
  const allowed = responses && publish?.allow === undefined ? {...publish, allow: []} : publish
  return {
    ...(allowed === undefined ? {} : {publish: allowed}),
    ...(subscribe === undefined ? {} : {subscribe}),
    ...(responses ? {responses} : {}),
  }
}

/** A subject or a list of them is what is allowed; an empty map allows everything. */
function readSubjects(value: ConfigNode | undefined): ConfigSubjects | undefined {
  if (value === undefined) return undefined
  if (value.kind !== 'map') return {allow: listSubjects(value)}
  const [allow, deny] = [named(value, 'allow')[0], named(value, 'deny')[0]]
  if (allow === undefined && deny === undefined) return undefined
  return {
    ...(allow === undefined ? {} : {allow: listSubjects(allow.value)}),
    ...(deny === undefined ? {} : {deny: listSubjects(deny.value)}),
  }
}

function listSubjects(value: ConfigNode): string[] {
  if (value.kind === 'array') return value.items.flatMap(listSubjects)
  return value.kind === 'string' ? [value.value] : []
}
