import {table, type TableOptions} from './table.js'
import {clean} from './text.js'

/** One answer of `context check`. */
export interface CheckLine {
  readonly check: string
  readonly state: 'ok' | 'missing' | 'warning' | 'notNeeded' | 'unknown'
  readonly detail: string
  readonly lacks?: readonly {
    readonly direction: string
    readonly subject: string
    readonly purpose: string
    readonly optional?: true
    readonly denied?: string
  }[]
  readonly fix?: readonly string[]
}

const names: Readonly<Record<string, string>> = {
  rtt: 'round trip',
  operatorKey: 'operator key',
  clusterSeed: 'cluster seed',
}

/** All answers, a line each, and a line for each subject that may not be used. */
export function checkView(checks: readonly CheckLine[], options: TableOptions): string {
  const rows = checks.flatMap(({check, state, detail, lacks = []}) => {
    const name = names[check] ?? check
    return [
      [name, state === 'notNeeded' ? 'not needed' : state, detail],
      ...lacks.map((lack) => [name, lack.optional === true ? 'warning' : state, lackText(lack)]),
    ]
  })
  return table(['CHECK', 'STATE', 'DETAIL'], rows, options)
}

/** What to do about what is not well, each line once, the missing first; undefined when there is nothing. */
export function fixesView(checks: readonly CheckLine[]): string | undefined {
  const lines = (['missing', 'unknown', 'warning', 'notNeeded'] as const).flatMap((state) =>
    checks.flatMap((check) => (check.state === state ? (check.fix ?? []) : [])),
  )
  return lines.length === 0
    ? undefined
    : ['Try:', ...new Set(lines)].map((line, index) => (index === 0 ? line : `  ${clean(line)}`)).join('\n')
}

function lackText({direction, subject, purpose, denied}: NonNullable<CheckLine['lacks']>[number]): string {
  return `${direction} ${subject}, to ${purpose}${denied === undefined ? '' : `; denied is ${denied}`}`
}
