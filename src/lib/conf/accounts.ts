import type {ConfigProblem} from './facts.js'
import {readMappings, type ConfigMapping} from './mappings.js'
import {effective, named, placeOf, type ConfigMap, type IncludeUse, type Origin, type Setting} from './resolve.js'
import {readShares, type ConfigExport, type ConfigImport} from './shares.js'
import {placeAt, type Place} from './tree.js'
import {readAuthorization, readUsers, type ConfigUser} from './users.js'

/** The account whose settings stand at the top level. */
export const globalAccount = '$G'

/** One account of a configuration file. */
export interface ConfigAccount {
  readonly name: string
  /** Where its braces open; for `$G` the first place of the main file. */
  readonly at: Place
  /** Where a line can be put in, right after the opening brace. */
  readonly inside: Place
  /** Every `mappings` or `maps` in it, in reading order; of those with one key the last replaces the others. */
  readonly blocks: readonly MappingBlock[]
  /** What the server loads. */
  readonly mappings: readonly ConfigMapping[]
  /** Includes that stand directly in it. */
  readonly includes: readonly {readonly file: string; readonly at: Place}[]
  readonly users: readonly ConfigUser[]
  readonly imports: readonly ConfigImport[]
  readonly exports: readonly ConfigExport[]
}

/** One `mappings` of an account. */
export interface MappingBlock {
  /** As it is written: `mappings` or `maps`. */
  readonly key: string
  readonly at: Place
  /** Its last line. */
  readonly until: Place
  /** False where a later one replaces it. */
  readonly counts: boolean
  /** True where nothing else stands on its lines. */
  readonly alone: boolean
  readonly mappings: readonly ConfigMapping[]
}

interface Found {
  readonly accounts: readonly ConfigAccount[]
  readonly problems: readonly ConfigProblem[]
}

/** Reads `$G` and the accounts of the `accounts` that count. */
export function readAccounts(root: ConfigMap): Found {
  const problems: ConfigProblem[] = []
  const global = readAccount({name: globalAccount, map: root, origin: root}, problems)
  const users = readAuthorization(root, problems)
  const others = named(root, 'accounts').flatMap((setting) => readAll(setting, problems))
  problems.push(...replaced(root, 'accounts'))
  return {accounts: [{...global, users, imports: [], exports: []}, ...others], problems}
}

function readAll({value}: Setting, problems: ConfigProblem[]): ConfigAccount[] {
  if (value.kind === 'array') {
    return value.items.flatMap((item) => {
      const map: ConfigMap = {kind: 'map', settings: [], includes: [], ...originOf(item)}
      return item.kind === 'string' ? [readAccount({name: item.value, map, origin: item}, problems)] : []
    })
  }
  if (value.kind !== 'map') return []
  problems.push(...[...effective(value).keys()].flatMap((name) => replaced(value, name)))
  // An account that a variable stands for is no account.
  return [...effective(value).values()].flatMap((setting) =>
    setting.used || setting.value.kind !== 'map'
      ? []
      : [readAccount({name: setting.key, map: setting.value, origin: setting}, problems)],
  )
}

interface WrittenAccount {
  readonly name: string
  readonly map: ConfigMap
  readonly origin: Origin
}

function readAccount({name, map, origin}: WrittenAccount, problems: ConfigProblem[]): ConfigAccount {
  const blocks = readBlocks(map, problems)
  return {
    name,
    at: placeOf(origin),
    inside: placeAt(map.source, name === globalAccount ? map.start : map.start + 1),
    blocks,
    mappings: blocks.filter(({counts}) => counts).flatMap(({mappings}) => mappings),
    includes: map.includes.map((use: IncludeUse) => ({file: use.file, at: placeOf(use)})),
    users: name === globalAccount ? [] : readUsers(map, problems),
    ...(name === globalAccount ? {imports: [], exports: []} : readShares(map)),
  }
}

function readBlocks(map: ConfigMap, problems: ConfigProblem[]): MappingBlock[] {
  const last = effective(map)
  return map.settings
    .filter(({key}) => ['mappings', 'maps'].includes(key.toLowerCase()))
    .map((setting) => {
      const counts = last.get(setting.key) === setting
      return {
        key: setting.key,
        at: placeOf(setting),
        until: placeAt(setting.source, Math.max(setting.start, setting.end - 1)),
        counts,
        alone: isAlone(setting),
        mappings: readMappings(setting.value, counts ? problems : []),
      }
    })
}

function isAlone({source: {text}, start, end}: Origin): boolean {
  const before = text.slice(text.lastIndexOf('\n', start - 1) + 1, start)
  const [after = ''] = text.slice(end).split('\n', 1)
  return /^[\t ]*$/.test(before) && /^[\t ]*[,;]?[\t ]*\r?$/.test(after)
}

/** Settings that a later one with the same key replaces without a word. */
function replaced({settings}: ConfigMap, key: string): ConfigProblem[] {
  return settings
    .filter((setting) => setting.key.toLowerCase() === key.toLowerCase())
    .slice(0, -1)
    .filter((setting) => setting.key === key || key === 'accounts')
    .map((setting) => ({at: placeOf(setting), reason: `a later '${key}' replaces this one`}))
}

function originOf({source, start, end}: Origin): Origin {
  return {source, start, end}
}
