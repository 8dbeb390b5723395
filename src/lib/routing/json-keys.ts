interface Open {
  readonly keys: Set<string>
  key: string
}

/** The keys that stand in one object of a valid JSON text more than once, each with the keys that lead to it. */
export function repeatedKeys(text: string): string[][] {
  const found: string[][] = []
  const open: Open[] = []
  for (const {index, token} of tokensOf(text)) {
    if (token === '{') open.push({keys: new Set(), key: ''})
    else if (token === '[') open.push({keys: new Set(), key: '[]'})
    else if (token === '}' || token === ']') open.pop()
    else {
      const place = open[open.length - 1]
      // A text may stand for itself, outside of any object.
      if (place === undefined || !isKey(text, index + token.length)) continue
      place.key = JSON.parse(token) as string
      if (place.keys.has(place.key)) found.push(open.map(({key}) => key))
      place.keys.add(place.key)
    }
  }
  return found
}

function* tokensOf(text: string): Generator<{readonly index: number; readonly token: string}> {
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) yield {index: match.index, token: match[0]}
}

function isKey(text: string, end: number): boolean {
  let at = end
  while (' \t\r\n'.includes(text.charAt(at) || '-')) at++
  return text.charAt(at) === ':'
}
