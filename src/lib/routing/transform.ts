/** One token of a destination, as a server reads it. */
export type DestinationToken =
  | {readonly kind: 'text'; readonly text: string}
  /** `$n` or `{{wildcard(n)}}`. */
  | {readonly kind: 'wildcard'; readonly index: number}
  | {readonly kind: 'function'; readonly name: FunctionName; readonly indexes: readonly number[]}
  | {readonly kind: 'wrong'; readonly reason: string}

/** A function other than wildcard. */
export type FunctionName = keyof typeof functions

/** Arguments: how many, and which of them are numbers of wildcards. */
const functions = {
  partition: {least: 1, most: Number.POSITIVE_INFINITY, since: '2.9.0'},
  split: {least: 2, most: 2, since: '2.9.0'},
  splitfromleft: {least: 2, most: 2, since: '2.9.0'},
  splitfromright: {least: 2, most: 2, since: '2.9.0'},
  slicefromleft: {least: 2, most: 2, since: '2.9.0'},
  slicefromright: {least: 2, most: 2, since: '2.9.0'},
  left: {least: 2, most: 2, since: '2.10.29'},
  right: {least: 2, most: 2, since: '2.10.29'},
  random: {least: 1, most: 1, since: '2.12.0'},
} as const

const largest = 2 ** 31 - 1

/** The tokens of a destination. */
export function parseDestination(subject: string): DestinationToken[] {
  return subject.split('.').map(parseToken)
}

/** The server version from which on a function may be used so; `literal`: the source has no wildcard. */
export function functionSince(token: DestinationToken & {kind: 'function'}, literal: boolean): string {
  return token.name === 'partition' && (literal || token.indexes.length === 0) ? '2.12.0' : functions[token.name].since
}

/** The subjects that messages of the destination may have, as a pattern. */
export function destinationPattern(subject: string): string {
  return parseDestination(subject)
    .map((token) => (token.kind === 'text' ? token.text : '*'))
    .join('.')
}

function parseToken(token: string): DestinationToken {
  const dollar = /^\$([+-]?\d+)$/.exec(token)
  if (dollar !== null) return {kind: 'wildcard', index: Number(dollar[1])}
  if (!/^\{\{.+\}\}$/s.test(token)) return {kind: 'text', text: token}
  const call = /^\{\{([A-Za-z]+)\(([^()]*)\)\}\}$/.exec(token)
  if (call === null) return {kind: 'wrong', reason: 'is not a function with arguments'}
  const words = call[2]!.split(',')
  return parseCall(call[1]!.toLowerCase(), words)
}

function parseCall(name: string, words: readonly string[]): DestinationToken {
  if (name === 'wildcard') {
    return words.length === 1 && isNumber(words[0]!)
      ? {kind: 'wildcard', index: Number(words[0])}
      : {kind: 'wrong', reason: 'needs the number of one wildcard'}
  }
  if (!isFunction(name)) return {kind: 'wrong', reason: 'is a function that no server knows'}
  const {least, most} = functions[name]
  if (words.length < least || words.length > most) return {kind: 'wrong', reason: 'has the wrong number of arguments'}
  const [first, ...others] = words as [string, ...string[]]
  // A partition names its size first, the others the wildcard that they cut.
  const numbers = name === 'split' ? [first] : words
  if (!numbers.every(isNumber)) return {kind: 'wrong', reason: 'has an argument that is not a number'}
  if (name === 'split' && others[0] === '') return {kind: 'wrong', reason: 'names no delimiter'}
  if (name === 'partition' || name === 'random') {
    if (Number(first) < 1) return {kind: 'wrong', reason: 'divides by less than one'}
    return {kind: 'function', name, indexes: name === 'random' ? [] : others.map(Number)}
  }
  return {kind: 'function', name, indexes: [Number(first)]}
}

function isNumber(word: string): boolean {
  return /^\d{1,10}$/.test(word) && Number(word) <= largest
}

function isFunction(name: string): name is FunctionName {
  return Object.hasOwn(functions, name)
}
