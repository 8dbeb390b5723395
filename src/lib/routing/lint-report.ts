import type {Finding} from './rule-book.js'

/** What kind of text was judged, or the live account. */
export type LintForm = 'config' | 'jwt' | 'claims' | 'nsc' | 'plan' | 'services' | 'account'

/** How often a rule is broken by mappings that are not ours to show. */
export interface ForeignFindings {
  readonly rule: string
  readonly level: Finding['level']
  readonly count: number
}

/** One account's mappings of one input, with what speaks against them. */
export interface LintTarget {
  /** The file as it was named, or `account` for the live one. */
  readonly input: string
  readonly form: LintForm
  /** Name or key, where the input says it. */
  readonly account?: string
  readonly mappings: number
  readonly findings: readonly Finding[]
  readonly foreign?: readonly ForeignFindings[]
}

/** All that was judged. */
export interface LintReport {
  /** True when nothing was found. */
  readonly clean: boolean
  readonly refusals: number
  readonly warnings: number
  /** The lowest version whose rules were held against it; absent: unknown, so what only older ones refuse is a warning. */
  readonly serverVersion?: string
  readonly checked: readonly LintTarget[]
}

/** Sums up what was found in the targets. */
export function lintReport(checked: readonly LintTarget[], serverVersion: string | undefined): LintReport {
  const count = (level: Finding['level']): number =>
    checked
      .flatMap(({findings, foreign = []}) => [...findings.map((one) => ({...one, count: 1})), ...foreign])
      .reduce((sum, one) => sum + (one.level === level ? one.count : 0), 0)
  const [refusals, warnings] = [count('refuse'), count('warn')]
  return {
    clean: refusals + warnings === 0,
    refusals,
    warnings,
    ...(serverVersion === undefined ? {} : {serverVersion}),
    checked,
  }
}
