/** What probes of one server may answer. */
export interface Acceptance {
  /** How many messages are traced. */
  readonly probes: number
  /** For each share in the order given: the fewest and the most probes that fit it. */
  readonly bounds: readonly (readonly [least: number, most: number])[]
}

/** A right table is called wrong this rarely. */
export const falseAlarm = 1e-4

/** A table in which some share is ten points off is called right this rarely, at each look. */
export const missedDifference = 1e-4

/** In percent; smaller differences need more probes than a command should send. */
export const noticedPoints = 10

/**
 * The number of probes that tells a right table from one that differs by ten points, and what may come of them. Every
 * share must be seen, so a small one asks for more. Shares are in percent, sum to 100 and are above 0.
 */
export function planProbes(shares: readonly number[]): Acceptance {
  const tail = falseAlarm / (2 * shares.length)
  let enough = 32
  while (!suffices(shares, enough, tail)) enough *= 2
  let few = enough / 2
  while (enough - few > 8) {
    const middle = Math.round((few + enough) / 2)
    if (suffices(shares, middle, tail)) enough = middle
    else few = middle
  }
  return {probes: enough, bounds: shares.map((share) => boundsOf(share / 100, enough, tail))}
}

/** Whether what was seen fits the shares; anything that is not one of them does not. */
export function judgeProbes({bounds}: Acceptance, seen: readonly number[], elsewhere: number): boolean {
  return elsewhere === 0 && bounds.every(([least, most], index) => least <= seen[index]! && seen[index]! <= most)
}

function suffices(shares: readonly number[], probes: number, tail: number): boolean {
  return shares.every((share) => {
    const [least, most] = boundsOf(share / 100, probes, tail)
    if (least < 1) return false
    const [lower, higher] = [(share - noticedPoints) / 100, (share + noticedPoints) / 100]
    const passesAsLower = lower < 0 ? 0 : 1 - cumulative(least - 1, probes, lower)
    const passesAsHigher = higher > 1 ? 0 : cumulative(most, probes, higher)
    return passesAsLower <= missedDifference && passesAsHigher <= missedDifference
  })
}

/** What a share of so many draws comes to, but for `tail` on either side. */
function boundsOf(share: number, draws: number, tail: number): readonly [number, number] {
  if (share >= 1) return [draws, draws]
  const chances = binomial(draws, share)
  let [least, below] = [0, 0]
  while (below + chances[least]! <= tail) below += chances[least++]!
  let [most, above] = [draws, 0]
  while (above + chances[most]! <= tail) above += chances[most--]!
  return [least, most]
}

function cumulative(hits: number, draws: number, share: number): number {
  if (share <= 0) return hits < 0 ? 0 : 1
  return binomial(draws, share)
    .slice(0, hits + 1)
    .reduce((sum, chance) => sum + chance, 0)
}

/** The chance of each number of hits; by logarithms, since the ends are too small to be reached by multiplication. */
function binomial(draws: number, share: number): number[] {
  if (share >= 1) return Array.from({length: draws + 1}, (_, hits) => (hits === draws ? 1 : 0))
  const odds = Math.log(share) - Math.log1p(-share)
  const chances: number[] = []
  let logarithm = draws * Math.log1p(-share)
  for (let hits = 0; hits <= draws; hits++) {
    chances.push(Math.exp(logarithm))
    logarithm += Math.log((draws - hits) / (hits + 1)) + odds
  }
  return chances
}
