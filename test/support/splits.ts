import fc from 'fast-check'

import {parseVersion, type Version} from '../../src/lib/entity/version.js'

/** Whole percents that sum to 100, zeros among them. */
export function splits(most = 6): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({min: 0, max: 100}), {minLength: 0, maxLength: most - 1}).map((cuts) => {
    const edges = [0, ...cuts.toSorted((a, b) => a - b), 100]
    return edges.slice(1).map((edge, index) => edge - edges[index]!)
  })
}

/** Versions as people write them, semver and not. */
export function versions(): fc.Arbitrary<Version> {
  const number = fc.nat(30)
  return fc.oneof(
    fc.tuple(number, number, number).map((parts) => parseVersion(parts.join('.'))),
    fc
      .tuple(number, fc.stringMatching(/^[a-z]{1,5}$/))
      .map(([major, tag]) => parseVersion(`${major}.0.0-${tag}+b_${major}`)),
    fc.string({minLength: 1, maxLength: 20, unit: 'grapheme'}).filter(isVersion).map(parseVersion),
  )
}

function isVersion(text: string): boolean {
  try {
    return parseVersion(text) === text
  } catch {
    return false
  }
}
