import {basename, dirname, relative, resolve} from 'node:path'

import {globalAccount, type ConfigAccount, type MappingBlock} from '../conf/accounts.js'
import type {ConfigFacts} from '../conf/facts.js'
import {formatPlace} from '../conf/tree.js'
import {NotFoundError, UnsafeError} from '../errors.js'

/** What must include what. */
export interface Layout {
  readonly account: string
  /** Absolute path of our file. */
  readonly wanted: string
}

/**
 * Refuses a configuration in which our file is not the only place of the account's mappings: a second `mappings` of one
 * account replaces the first, and no server says so.
 */
export function checkLayout(facts: ConfigFacts, layout: Layout): void {
  if (facts.operatorMode) throw new OperatorFileError(facts.file)
  const {accounts, problems} = facts
  const account = accounts.findLast(({name}) => name === layout.account)
  if (account === undefined) throw new UnknownAccountError(facts, layout.account)
  const foreign = account.blocks.filter(({at}) => resolve(at.file) !== layout.wanted)
  const includes = account.includes.filter(({file}) => resolve(file) === layout.wanted)
  if (foreign.length > 0) throw new SecondBlockError({facts, account, layout, foreign, included: includes.length > 0})
  if (includes.length > 1)
    throw new TwiceIncludedError(
      layout,
      includes.map(({at}) => formatPlace(at)),
    )
  if (includes.length === 0) throw new MissingIncludeError(facts, account, layout)
  const shadowed = problems.find(({reason}) => reason === "a later 'accounts' replaces this one")
  if (shadowed !== undefined) throw new ShadowedAccountsError(formatPlace(shadowed.at))
}

/** Accounts of these servers are tokens, and a reload of theirs is never needed for a route. */
export class OperatorFileError extends UnsafeError {
  constructor(file: string) {
    super(`The configuration '${file}' is of a server in operator mode, whose accounts are tokens.`, {
      suggestions: ['--driver jwt'],
      details: {file, rule: 'operator-mode'},
    })
  }
}

class UnknownAccountError extends NotFoundError {
  constructor({file, accounts}: ConfigFacts, account: string) {
    super(`The configuration '${file}' has no account '${account}'.`, {
      suggestions: ['--config FILE with the main file of a server of this account'],
      details: {file, account, accounts: accounts.map(({name}) => name)},
    })
  }
}

/** The account's mappings stand somewhere else, too. */
export class SecondBlockError extends UnsafeError {
  constructor({
    facts,
    account,
    layout,
    foreign,
    included,
  }: {
    readonly facts: ConfigFacts
    readonly account: ConfigAccount
    readonly layout: Layout
    readonly foreign: readonly MappingBlock[]
    readonly included: boolean
  }) {
    const places = foreign.map(({at, until}) => ({file: at.file, from: at.line, to: until.line}))
    const [first] = places
    const name = basename(layout.wanted)
    super(
      `The account '${account.name}' has mappings in '${first!.file}', and a second block would replace them without a word.`,
      {
        lines: places.flatMap(({file, from, to}, index) => [
          `move ${file}:${from === to ? from : `${from}-${to}`} into ${layout.wanted}`,
          ...(index > 0 || included ? [] : [`put in its place: ${includeLine(file, layout)}`]),
          ...(index > 0 ? ['  (one mappings block in all: put the entries together)'] : []),
        ]),
        suggestions:
          foreign.length === 1 && !included && foreign[0]!.alone
            ? moveCommands(first!, layout)
            : [`Move them into '${name}'.`],
        details: {rule: 'second-block', file: facts.file, account: account.name, places, mappingsFile: layout.wanted},
      },
    )
  }
}

/** Nothing says that the account's mappings are in our file. */
export class MissingIncludeError extends UnsafeError {
  constructor(facts: ConfigFacts, {name, inside}: ConfigAccount, layout: Layout) {
    const where =
      name === globalAccount
        ? `at the top level of ${inside.file}`
        : `right after the brace at ${formatPlace(previous(inside))}`
    super(`The account '${name}' in '${facts.file}' does not include '${basename(layout.wanted)}'.`, {
      lines: [`put in ${where}:`, `  ${includeLine(inside.file, layout)}`],
      suggestions: [`touch ${quoteShell(layout.wanted)}`, insertCommand({name, inside}, layout)],
      details: {
        rule: 'missing-include',
        file: inside.file,
        line: inside.line,
        account: name,
        mappingsFile: layout.wanted,
      },
    })
  }
}

class TwiceIncludedError extends UnsafeError {
  constructor({account, wanted}: Layout, places: readonly string[]) {
    super(`The account '${account}' includes '${basename(wanted)}' more than once.`, {
      lines: places.slice(1).map((place) => `remove ${place}`),
      details: {rule: 'second-block', account, places},
    })
  }
}

class ShadowedAccountsError extends UnsafeError {
  constructor(place: string) {
    super(`The accounts at '${place}' are replaced by later ones, and the server does not say so.`, {
      suggestions: ['Put all accounts into one block.'],
      details: {rule: 'second-accounts', place},
    })
  }
}

/** The server opens an include relative to the file that it stands in. */
function includeLine(file: string, {wanted}: Layout): string {
  return `include '${relative(dirname(resolve(file)), wanted)}'`
}

interface Lines {
  readonly file: string
  readonly from: number
  readonly to: number
}

/** Moves whole lines and leaves the include where they were. */
function moveCommands({file, from, to}: Lines, layout: Layout): string[] {
  const target = quoteShell(layout.wanted)
  return [
    `sed -n '${from},${to}p' ${quoteShell(file)} >> ${target}`,
    `sed -i "${from},${to}c ${includeLine(file, layout)}" ${quoteShell(file)}`,
  ]
}

function insertCommand({name, inside}: Pick<ConfigAccount, 'name' | 'inside'>, layout: Layout): string {
  const {file, line, column} = inside
  const include = includeLine(file, layout).replace(/[&#\\\n]/g, '\\$&')
  return name === globalAccount
    ? `sed -i "1i ${include}" ${quoteShell(file)}`
    : `sed -i "${line}s#^.\\{${column - 1}\\}#&\\n    ${include}\\n#" ${quoteShell(file)}`
}

function previous<T extends {readonly column: number}>(place: T): T {
  return {...place, column: place.column - 1}
}

function quoteShell(path: string): string {
  return /^[\w./@%+:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
