import {failureOf, interval, type Phase} from './phases.ts'

const widths = [30, 7, 16, 24, 9, 5, 8] as const

/** The headings over phaseLine's columns. */
export function phaseHeader(versions: readonly string[]): string {
  return columns(['PHASE', 'ASKED', `MEASURED ${versions[0] ?? ''}`, '95 % INTERVAL', 'REQUESTS', 'LOST', 'LIVE IN'])
}

/** One phase as a line: what was asked of the first version, what was measured, and how soon it was live. */
export function phaseLine(phase: Phase): string {
  const [first = ''] = Object.keys(phase.asked)
  const count = phase.observed[first] ?? 0
  const [low, high] = interval(count, phase.requests)
  const failure = failureOf(phase)
  return columns([
    phase.name,
    Object.values(phase.asked).join('/'),
    `${percent(count, phase.requests)} %`,
    `${low.toFixed(1)} – ${high.toFixed(1)} %`,
    String(phase.requests),
    String(phase.lost),
    `${phase.liveMs} ms`,
    ...(failure === undefined ? [] : [`FAILED: ${failure}`]),
  ])
}

function columns(cells: readonly string[]): string {
  return cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join(' ')
    .trimEnd()
}

function percent(count: number, total: number): string {
  return total === 0 ? '–' : ((100 * count) / total).toFixed(1)
}
