import type {LintReport, LintTarget} from '../routing/lint-report.js'
import type {Finding} from '../routing/rule-book.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** Every finding with its reason and remedy; a line each where no person reads it. */
export function lintView({checked}: LintReport, {terminal}: TableOptions): string {
  if (terminal) return checked.flatMap(targetLines).map(clean).join('\n')
  const rows = checked.flatMap((target) => [
    ...target.findings.map((one) => [
      ...[one.level, one.rule, target.input, target.account ?? '', one.source ?? '', one.where ?? ''],
      ...[one.sentence, one.why ?? '', one.fix ?? ''],
    ]),
    ...(target.foreign ?? []).map(({level, rule, count}) => [
      ...[level, rule, target.input, target.account ?? '', '', ''],
      ...[`${countOf(count, 'finding')} about mappings that lattice did not make.`, '', ''],
    ]),
  ])
  return table([], rows, {terminal})
}

/** How much was looked at, by which rules, and what was found. */
export function lintSummary({checked, refusals, warnings, serverVersion}: LintReport): string {
  const mappings = checked.reduce((sum, target) => sum + target.mappings, 0)
  const inputs = new Set(checked.map(({input}) => input)).size
  const rules = serverVersion === undefined ? 'the rules of all servers' : `the rules of server ${serverVersion}`
  const found = refusals + warnings === 0 ? 'nothing found' : `${refusals} to refuse, ${countOf(warnings, 'warning')}`
  return `${countOf(mappings, 'mapping')} in ${countOf(inputs, 'input')} by ${rules}: ${found}.`
}

function targetLines({input, account, findings, foreign = []}: LintTarget): string[] {
  if (findings.length + foreign.length === 0) return []
  const head = account === undefined ? input : `${input}, account '${account}'`
  return [
    `${head}:`,
    ...findings.flatMap(findingLines),
    ...foreign.map(
      ({level, rule, count}) =>
        `  ${level} ${rule}: ${countOf(count, 'finding')} about mappings that lattice did not make`,
    ),
  ]
}

function findingLines({level, rule, sentence, why, fix, where}: Finding): string[] {
  return [
    `  ${level} ${rule}: ${sentence}`,
    ...(where === undefined ? [] : [`    at   ${where}`]),
    ...(why === undefined ? [] : [`    why  ${why}`]),
    ...(fix === undefined ? [] : [`    fix  ${fix}`]),
  ]
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
