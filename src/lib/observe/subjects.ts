import {subjectsOverlap} from '../routing/subject.js'

/** The subjects that a destination of a mapping can become, as a pattern: what is filled in is any token. */
export function patternOf(destination: string): string {
  return destination
    .split('.')
    .map((token) => (/\$\d|\{\{.*\}\}/.test(token) ? '*' : token))
    .join('.')
}

/** True when every subject that `inner` matches is matched by `outer` too. */
export function covers(outer: string, inner: string): boolean {
  const [wide, narrow] = [outer.split('.'), inner.split('.')]
  for (let index = 0; ; index++) {
    const [mine, other] = [wide[index], narrow[index]]
    if (mine === '>') return other !== undefined
    if (mine === undefined || other === undefined) return mine === other
    if (other === '>' || (mine !== '*' && mine !== other)) return false
  }
}

/** True when some subject matches both. */
export const overlap = subjectsOverlap

/** What stands for wildcards in the subject of a probe. */
const anyToken = 'lattice-probe'

/** A subject that a source matches, and what a destination makes of it. */
export function probeSubject(pattern: string): string {
  const isWild = (token: string): boolean => /^(\*|>|\$\d+|\{\{\s*wildcard\(\d+\)\s*\}\})$/i.test(token)
  return pattern
    .split('.')
    .map((token) => (isWild(token) ? anyToken : token))
    .join('.')
}
