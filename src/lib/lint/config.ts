import {readFile} from 'node:fs/promises'

import type {ConfigAccount} from '../conf/accounts.js'
import {configFacts, type ConfigProblem} from '../conf/facts.js'
import {loadConfig} from '../conf/load.js'
import {resolveConfig} from '../conf/resolve.js'
import {formatPlace} from '../conf/tree.js'
import type {LintTarget} from '../routing/lint-report.js'
import {finding, type Finding} from '../routing/rule-book.js'
import type {RuleOptions} from '../routing/rules-destination.js'
import {lintMappings} from '../routing/rules.js'

/**
 * The findings in a server's configuration, an account each; what belongs to none comes first. Throws a UsageError with
 * file, line and column where it cannot be read at all.
 */
export async function lintConfig(file: string, text: string, options: RuleOptions): Promise<LintTarget[]> {
  const loaded = await loadConfig(file, (path) => (path === file ? Promise.resolve(text) : readFile(path, 'utf8')))
  const unset = new Set<string>()
  const {accounts, problems} = configFacts(resolveConfig(loaded, lenient(process.env, unset)))
  const general = [...[...unset].map(unsetFinding), ...problems.map(problemFinding)]
  const targets = accounts.map((account) => lintAccount(file, account, options))
  const told = targets.filter(({mappings, findings}) => mappings > 0 || findings.length > 0)
  return general.length === 0 && told.length > 0
    ? told
    : [{input: file, form: 'config', mappings: 0, findings: general}, ...told]
}

function lintAccount(file: string, {name, blocks, mappings}: ConfigAccount, options: RuleOptions): LintTarget {
  const written = mappings.map(({source, at, destinations}) => ({source, destinations, where: formatPlace(at)}))
  const [first, ...others] = blocks
  const twice = others.map(({at, key}) =>
    finding('second-block', 'refuse', {
      sentence: `The account '${name}' has a second block '${key}', after the one at ${formatPlace(first!.at)}.`,
      where: formatPlace(at),
    }),
  )
  return {
    input: file,
    form: 'config',
    account: name,
    mappings: mappings.length,
    findings: [...twice, ...lintMappings(written, {...options, form: 'config'})],
  }
}

/** An environment in which everything is set, so that a password that is not at hand keeps no mapping from being judged. */
function lenient(env: NodeJS.ProcessEnv, unset: Set<string>): NodeJS.ProcessEnv {
  const known = {...env}
  return new Proxy(known, {
    getOwnPropertyDescriptor: (target, name) => {
      if (typeof name === 'string' && !Object.hasOwn(target, name)) {
        unset.add(name)
        target[name] = 'unset'
      }
      return Reflect.getOwnPropertyDescriptor(target, name)
    },
  })
}

function unsetFinding(name: string): Finding {
  return finding('unset-variable', 'warn', {sentence: `The variable '$${name}' is not set here.`})
}

function problemFinding({at, reason}: ConfigProblem): Finding {
  const again = /^the source '.*' is mapped again/s.test(reason)
  return finding(again ? 'duplicate-source' : 'shape', 'refuse', {
    sentence: `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`,
    where: formatPlace(at),
  })
}
