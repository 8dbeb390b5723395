import {clean} from './text.js'

/** One thing as label and value, a line each; undefined values are left out. */
export function fields(rows: readonly (readonly [label: string, value: string | undefined])[]): string {
  const shown = rows.flatMap(([label, value]) => (value === undefined ? [] : [[label, value] as const]))
  const width = Math.max(0, ...shown.map(([label]) => label.length))
  return shown.map(([label, value]) => `${label.padEnd(width)}  ${clean(value)}`).join('\n')
}
