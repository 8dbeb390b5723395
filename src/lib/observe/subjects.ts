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
