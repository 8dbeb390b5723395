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

/**
 * The subject of a source that a mapping turns into what somebody listens to: `orders.*`, `v1.orders.$1` and
 * `v1.orders.get` make `orders.get`. Undefined when the destination does not become that.
 */
export function sourceHeard(source: string, destination: string, heard: string): string | undefined {
  const [pattern, tokens] = [destination.split('.'), heard.split('.')]
  const values = new Map<number, string>()
  let rest: readonly string[] = [anyToken]
  for (const [index, token] of pattern.entries()) {
    const found = tokens[index]
    if (found === undefined) return undefined
    const number = /^(?:\$|\{\{\s*wildcard\()(\d+)/i.exec(token)?.[1]
    if (token === '>') rest = tokens.slice(index)
    else if (number !== undefined) values.set(Number(number), found)
    else if (token !== found) return undefined
  }
  if (tokens.length > pattern.length && pattern.at(-1) !== '>') return undefined
  let wildcard = 0
  const filled = source
    .split('.')
    .flatMap((token) => (token === '*' ? (values.get(++wildcard) ?? anyToken) : token === '>' ? rest : token))
  return probeSubject(filled.join('.'))
}
