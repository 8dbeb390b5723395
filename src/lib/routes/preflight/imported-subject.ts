/**
 * The subject or pattern as it is called on the other side of an import: `shop.*` here and `orders.*` there make
 * `orders.get` of `shop.get`. Undefined where the pattern does not take it in.
 */
export function translateSubject(subject: string, from: string, to: string): string | undefined {
  const [tokens, wanted] = [subject.split('.'), from.split('.')]
  const values: string[] = []
  let rest: readonly string[] = []
  for (const [index, token] of wanted.entries()) {
    const given = tokens[index]
    if (given === undefined) return undefined
    if (token === '>') rest = tokens.slice(index)
    else if (isWildcard(token)) values.push(given)
    else if (token !== given) return undefined
  }
  if (tokens.length > wanted.length && wanted.at(-1) !== '>') return undefined
  let wildcard = 0
  return to
    .split('.')
    .flatMap((token) => {
      const number = /^\$(\d+)$/.exec(token)?.[1]
      if (number !== undefined) return values[Number(number) - 1] ?? '*'
      if (token === '>') return rest.length > 0 ? rest : ['>']
      return isWildcard(token) ? (values[wildcard++] ?? '*') : token
    })
    .join('.')
}

function isWildcard(token: string): boolean {
  return token === '*' || /^\$\d+$/.test(token)
}
