/** True when some subject matches both patterns (`*` one token, `>` one or more). */
export function subjectsOverlap(left: string, right: string): boolean {
  const [a, b] = [left.split('.'), right.split('.')]
  for (let index = 0; ; index++) {
    const [mine, other] = [a[index], b[index]]
    if (mine === undefined || other === undefined) return mine === other
    if (mine === '>' || other === '>') return true
    if (mine !== other && mine !== '*' && other !== '*') return false
  }
}

/** True when the text is a subject without wildcards: non-empty tokens, no white space or control characters. */
export function isLiteralSubject(subject: string): boolean {
  return isSubject(subject) && !subject.split('.').some((token) => token === '*' || token === '>')
}

/** True when the text is a subject that may hold `*` tokens and end in `>`. */
export function isSubject(subject: string): boolean {
  const tokens = subject.split('.')
  return !/[\s\p{Cc}]/u.test(subject) && tokens.every((token) => token !== '') && !tokens.slice(0, -1).includes('>')
}
