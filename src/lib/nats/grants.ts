/** What one direction may carry, as NATS writes it: without `allow` everything, and `deny` wins. */
export interface Grant {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

/** The same as servers and tokens write it. */
export interface WireGrant {
  readonly allow?: readonly string[] | null | undefined
  readonly deny?: readonly string[] | null | undefined
}

/** An empty list is none. */
export function grantOf(wire: WireGrant | null | undefined): Grant {
  const {allow, deny} = wire ?? {}
  return {...(allow && allow.length > 0 ? {allow} : {}), ...(deny && deny.length > 0 ? {deny} : {})}
}

/** Why a subject may not pass: nobody allowed it, or it, or the part that is named, is denied. */
export type Refusal =
  | {readonly kind: 'notAllowed'; readonly extent: 'all' | 'part'}
  | {readonly kind: 'denied'; readonly extent: 'all' | 'part'; readonly subject: string}

/** True when the pattern (`*` one token, `>` one or more at the end) takes in the subject; its own wildcards are tokens. */
export function covers(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split('.'), subject.split('.')]
  for (const [index, token] of wanted.entries()) {
    if (token === '>' && index === wanted.length - 1) return given.length > index
    if (index >= given.length || (token !== '*' && token !== given[index])) return false
  }
  return wanted.length === given.length
}

/** The subjects that are in both patterns, as one pattern; undefined when there is none. */
export function meet(left: string, right: string): string | undefined {
  const [a, b] = [left.split('.'), right.split('.')]
  const common: string[] = []
  for (let index = 0; ; index++) {
    const [mine, other] = [a[index], b[index]]
    if (mine === undefined && other === undefined) return common.join('.')
    if (mine === undefined || other === undefined) return undefined
    if (mine === '>') return [...common, ...b.slice(index)].join('.')
    if (other === '>') return [...common, ...a.slice(index)].join('.')
    if (mine !== '*' && other !== '*' && mine !== other) return undefined
    common.push(mine === '*' ? other : mine)
  }
}

/**
 * Why not every subject that `wanted` stands for may pass; undefined when all of them may. Several allowed patterns may
 * cover it together.
 */
export function refusal(wanted: string, {allow, deny = []}: Grant): Refusal | undefined {
  if (allow !== undefined && !coveredByAll(wanted, allow)) {
    const part = allow.some((pattern) => meet(pattern, wanted) !== undefined)
    return {kind: 'notAllowed', extent: part ? 'part' : 'all'}
  }
  for (const pattern of deny) {
    const subject = meet(wanted, pattern)
    if (subject !== undefined) return {kind: 'denied', extent: subject === wanted ? 'all' : 'part', subject}
  }
  return undefined
}

/**
 * Whatever stands where `wanted` has a wildcard, a pattern that takes in a token nobody wrote takes in every token, so
 * one sample for each length decides.
 */
function coveredByAll(wanted: string, allow: readonly string[]): boolean {
  const fresh = freshToken(allow)
  const tokens = wanted.split('.').map((token) => (token === '*' ? fresh : token))
  if (tokens.at(-1) !== '>') return allow.some((pattern) => covers(pattern, tokens.join('.')))
  const head = tokens.slice(0, -1)
  const longest = Math.max(head.length, ...allow.map((pattern) => pattern.split('.').length)) + 1
  const tails = Array.from({length: longest - head.length}, (_, index) => Array<string>(index + 1).fill(fresh))
  return tails.every((tail) => allow.some((pattern) => covers(pattern, [...head, ...tail].join('.'))))
}

function freshToken(patterns: readonly string[]): string {
  const used = new Set(patterns.flatMap((pattern) => pattern.split('.')))
  let token = 'x'
  while (used.has(token)) token += 'x'
  return token
}
