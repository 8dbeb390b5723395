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

/** The subjects that a destination of a mapping can become, as a pattern: what is filled in is any token. */
export function patternOf(destination: string): string {
  return destination
    .split('.')
    .map((token) => (/\$\d|\{\{.*\}\}/.test(token) ? '*' : token))
    .join('.')
}

/** What NATS itself needs, and no mapping may catch or reach. */
const protectedSubjects = ['_INBOX.>', '$SYS.>', '$JS.>', '$KV.>', '$O.>', '$SRV.>', '_R_.>']

/** The prefix of NATS itself that a pattern would catch; undefined when it catches none. */
export function protectedPrefix(pattern: string, inboxPrefix?: string): string | undefined {
  return protectedPrefixes(pattern, inboxPrefix)[0]
}

/** All of them. */
export function protectedPrefixes(pattern: string, inboxPrefix?: string): string[] {
  const all = [...protectedSubjects, ...(inboxPrefix === undefined ? [] : [`${inboxPrefix}.>`])]
  return all.filter((prefix) => subjectsOverlap(pattern, prefix))
}
