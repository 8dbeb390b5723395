import {formatDuration} from './time.js'

export interface ProgressState {
  readonly done: number
  readonly total: number | undefined
  readonly elapsedMs: number
}

/** `Importing [######    ] 43 % 43,100 of 100,000, 120,000/s, 1 s left`, as much of it as there is room for. */
export function progressText(what: string, {done, total, elapsedMs}: ProgressState, width: number): string {
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0
  const speed = `${grouped(Math.round(rate))}/s`
  if (total === undefined || total === 0) return `${what} ${grouped(done)}, ${speed}`.slice(0, width)
  const share = Math.min(1, done / total)
  const left = rate > 0 ? `, ${formatDuration(((total - done) / rate) * 1000)} left` : ''
  const numbers = `${Math.floor(share * 100)} % ${grouped(done)} of ${grouped(total)}, ${speed}${left}`
  const room = Math.min(30, width - what.length - numbers.length - 4)
  if (room < 5) return `${what} ${numbers}`.slice(0, width)
  const filled = Math.round(share * room)
  return `${what} [${'#'.repeat(filled)}${' '.repeat(room - filled)}] ${numbers}`
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}
