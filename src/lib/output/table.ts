import {clean} from './text.js'

export interface TableOptions {
  /** A person reads it: header and aligned columns. Otherwise tab-separated values without header. */
  readonly terminal: boolean
}

/** Rows under headings, one line each. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  {terminal}: TableOptions,
): string {
  const cells = rows.map((row) => row.map(clean))
  if (!terminal) return cells.map((row) => row.join('\t')).join('\n')
  const lines = [headings, ...cells]
  const widths = headings.map((_, column) =>
    lines.reduce((width, line) => Math.max(width, line[column]?.length ?? 0), 0),
  )
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
