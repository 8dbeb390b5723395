import {compareVersions} from '../entity/version.js'
import {finding, type Finding} from './rule-book.js'
import {isSubject} from './subject.js'
import {functionSince, parseDestination, type DestinationToken} from './transform.js'

/** What the rules depend on beside the mappings. */
export interface RuleOptions {
  /** Where the mappings stand, because each form has rules of its own. */
  readonly form?: 'config' | 'jwt' | undefined
  /** The lowest server version that must take them; unknown: what some version refuses is a warning. */
  readonly serverVersion?: string | undefined
  /** Inbox prefix of the lattice's clients, where it is not `_INBOX`. */
  readonly inboxPrefix?: string | undefined
}

/** How bad it is that servers below a version refuse something; undefined where all servers are newer. */
export function levelBelow(since: string, {serverVersion}: RuleOptions): Finding['level'] | undefined {
  if (serverVersion === undefined) return 'warn'
  return compareVersions(serverVersion, since) < 0 ? 'refuse' : undefined
}

interface Place {
  readonly source: string
  readonly where?: string | undefined
}

/** The findings about one destination and its source: form, wildcards and functions. */
export function judgeDestination(place: Place, subject: string, options: RuleOptions): Finding[] {
  const {source} = place
  if (subject === '') {
    const sentence = `A destination of '${source}' is empty.`
    return [finding('empty-destination', 'refuse', {...place, sentence})]
  }
  if (!isSubject(subject) || !subject.isWellFormed())
    return [finding('subject', 'refuse', {...place, sentence: notASubject(subject)})]
  const found: Finding[] = []
  const tokens = subject.split('.')
  if (tokens.includes('*')) {
    const sentence = `The destination '${subject}' of '${source}' holds a *.`
    found.push(finding('destination-wildcard', 'refuse', {...place, sentence}))
  }
  if ((tokens.at(-1) === '>') !== source.endsWith('>')) {
    const sentence = `Only one of '${source}' and its destination '${subject}' ends in >.`
    found.push(finding('tail-wildcard', 'refuse', {...place, sentence}))
  } else if (tokens.at(-1) === '>' && options.form === 'jwt') {
    const level = levelBelow('2.9.25', options)
    const sentence = `The destination '${subject}' of '${source}' ends in >, which servers below 2.9.25 refuse in a token.`
    if (level === 'refuse') found.push(finding('jwt-tail-wildcard', level, {...place, sentence}))
  }
  return [...found, ...judgeTokens(place, subject, options)]
}

/** The sentence about a text that is no subject. */
export function notASubject(text: string): string {
  return `${text === '' ? 'An empty text' : `'${text}'`} is not a subject that can be mapped.`
}

function judgeTokens(place: Place, subject: string, options: RuleOptions): Finding[] {
  const {source} = place
  const wildcards = source.split('.').filter((token) => token === '*').length
  const literal = wildcards === 0 && !source.endsWith('>')
  const tokens = parseDestination(subject)
  const indexes = tokens.flatMap(indexesOf)
  const counts = Array.from({length: wildcards}, (_, index) => indexes.filter((one) => one === index + 1).length)
  const beyond = indexes.filter((index) => index < 1 || index > wildcards)
  return [
    ...tokens.flatMap((token, index) => judgeToken(place, token, {text: subject.split('.')[index]!, literal, options})),
    ...[...new Set(beyond)].map((index) => {
      const has = wildcards === 0 ? 'has no *' : `has ${wildcards} * only`
      const sentence = `The destination '${subject}' names wildcard ${index}, and its source '${source}' ${has}.`
      return finding('wildcard-index', 'refuse', {...place, sentence})
    }),
    ...judgeUse(place, subject, {counts, options}),
  ]
}

function judgeUse(
  place: Place,
  subject: string,
  {counts, options}: {readonly counts: readonly number[]; readonly options: RuleOptions},
): Finding[] {
  const unused = counts.findIndex((count) => count === 0) + 1
  const repeated = counts.findIndex((count) => count > 1) + 1
  return [
    ...(unused === 0
      ? []
      : [
          finding('unused-wildcard', levelBelow('2.10.0', options) ?? 'warn', {
            ...place,
            sentence: `The destination '${subject}' does not use the * number ${unused} of '${place.source}'.`,
          }),
        ]),
    ...(repeated === 0
      ? []
      : [
          finding('repeated-wildcard', 'warn', {
            ...place,
            sentence: `The destination '${subject}' uses the * number ${repeated} of '${place.source}' more than once.`,
          }),
        ]),
  ]
}

function judgeToken(
  place: Place,
  token: DestinationToken,
  {text, literal, options}: {readonly text: string; readonly literal: boolean; readonly options: RuleOptions},
): Finding[] {
  switch (token.kind) {
    case 'wildcard':
      return []
    case 'text': {
      if (!text.includes('{{') && !text.includes('}}')) return []
      const sentence = `The token '${text}' of a destination of '${place.source}' is no function but text, as it stands.`
      return [finding('function', 'warn', {...place, sentence})]
    }
    case 'wrong': {
      const sentence = `The function '${text}' in a destination of '${place.source}' ${token.reason}.`
      return [finding('function', 'refuse', {...place, sentence})]
    }
    case 'function': {
      if (literal && token.indexes.length > 0 && token.name !== 'partition') return []
      const since = functionSince(token, literal)
      const level = since === '2.9.0' ? undefined : levelBelow(since, options)
      if (level === undefined) return []
      const sentence = `The function '${text}' in a destination of '${place.source}' needs servers from ${since} on.`
      return [finding('function-version', level, {...place, sentence})]
    }
  }
}

function indexesOf(token: DestinationToken): readonly number[] {
  if (token.kind === 'wildcard') return [token.index]
  return token.kind === 'function' ? token.indexes : []
}
