/** A share with the interval that holds the true one in 95 of 100 measurements; all in percent. */
export interface MeasuredShare {
  readonly share: number
  readonly interval: readonly [low: number, high: number]
}

/** Of the standard normal distribution, for 95 %. */
const usualZ = 1.959964

/** Wilson's interval of a binomial share; unlike the textbook one it holds for few draws and for shares near 0 and 100. */
export function measuredShare(hits: number, draws: number, z = usualZ): MeasuredShare {
  if (draws === 0) return {share: 0, interval: [0, 100]}
  const p = hits / draws
  const scale = 1 + z ** 2 / draws
  const middle = (p + z ** 2 / (2 * draws)) / scale
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / draws + z ** 2 / (4 * draws ** 2))
  return {
    share: hundredths(p),
    interval: [hits === 0 ? 0 : hundredths(middle - half), hits === draws ? 100 : hundredths(middle + half)],
  }
}

/** True when the interval holds the share, in percent. */
export function holds({interval: [low, high]}: MeasuredShare, share: number): boolean {
  return low <= share && share <= high
}

/** Of a whole, in percent with two decimals, which is what is shown. */
function hundredths(part: number): number {
  return Math.round(part * 10_000) / 100
}
