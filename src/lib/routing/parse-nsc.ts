import {UsageError} from '../errors.js'
import type {Destination, MappingPlan} from './plan.js'
import {isSame, type NscStep} from './render-nsc.js'
import {sortedPlans} from './render-plans.js'

/** Lines for nsc, and the one account that they are for. */
export interface NscScript {
  readonly account?: string
  readonly steps: readonly NscStep[]
}

/** The inverse of renderNsc; throws a UsageError for a line that is no call of nsc on mappings. */
export function parseNsc(text: string): NscScript {
  const calls = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseLine)
  const accounts = new Set(calls.flatMap(({account}) => (account === undefined ? [] : [account])))
  if (accounts.size > 1) throw new UsageError('The lines are for more than one account.')
  const [account] = accounts
  return {steps: calls.map(({step}) => step), ...(account === undefined ? {} : {account})}
}

/** The mappings after these calls, by nsc's own rule: no source may ever sum to more than 100. */
export function applyNsc(present: readonly MappingPlan[], steps: readonly NscStep[]): MappingPlan[] {
  const table = new Map(present.map(({source, destinations}) => [source, destinations]))
  for (const step of steps) {
    if (step.kind === 'push') continue
    const {source} = step
    const before = table.get(source) ?? []
    const after = step.kind === 'add' ? put(before, step.destination) : without(before, step.destination)
    const sum = Math.max(...sums(after))
    if (sum > 100)
      throw new UsageError(`The weights of '${source}' would sum to ${sum} in between, and nsc refuses that.`)
    if (after.length === 0) table.delete(source)
    else table.set(source, after)
  }
  return sortedPlans([...table].map(([source, destinations]) => ({source, destinations})))
}

function put(list: readonly Destination[], destination: Destination): Destination[] {
  const known = list.some((one) => isSame(one, destination))
  return known ? list.map((one) => (isSame(one, destination) ? destination : one)) : [...list, destination]
}

function without(list: readonly Destination[], gone: Omit<Destination, 'weight'> | undefined): Destination[] {
  return gone === undefined ? [] : list.filter((one) => !isSame(one, gone))
}

function sums(list: readonly Destination[]): number[] {
  const byCluster = new Map<string, number>([['', 0]])
  for (const {cluster = '', weight} of list) byCluster.set(cluster, (byCluster.get(cluster) ?? 0) + weight)
  return [...byCluster.values()]
}

const flagNames: ReadonlyMap<string, string> = new Map([
  ['-a', 'account'],
  ['--account', 'account'],
  ['-f', 'from'],
  ['--from', 'from'],
  ['-t', 'to'],
  ['--to', 'to'],
  ['--weight', 'weight'],
  ['--cluster', 'cluster'],
])

function parseLine(line: string): {readonly account: string | undefined; readonly step: NscStep} {
  const [tool, verb, ...rest] = shellWords(line)
  const noun = verb === 'push' ? [] : rest.splice(0, 1)
  const known = verb === 'push' || ((verb === 'add' || verb === 'delete') && noun[0] === 'mapping')
  if (tool !== 'nsc' || !known) throw bad(line, 'it is no call of nsc that changes mappings')
  const {account, from: source, to: subject, weight, cluster} = parseFlags(line, rest)
  if (verb === 'push') return {account, step: {kind: 'push'}}
  if (source === undefined) throw bad(line, 'it names no source')
  const place = cluster === undefined || cluster === '' ? {} : {cluster}
  if (verb === 'delete') {
    if (weight !== undefined) throw bad(line, 'a deletion has no weight')
    if (subject === undefined && cluster !== undefined) throw bad(line, 'it would delete the source in all clusters')
    return {
      account,
      step: {kind: 'delete', source, ...(subject === undefined ? {} : {destination: {subject, ...place}})},
    }
  }
  if (subject === undefined) throw bad(line, 'it names no destination')
  const percent = weight === undefined ? 100 : Number(weight)
  if (weight !== undefined && (!/^\d{1,3}$/.test(weight) || percent < 1 || percent > 100)) {
    throw bad(line, 'its weight is not a whole percent from 1 to 100')
  }
  return {account, step: {kind: 'add', source, destination: {subject, weight: percent, ...place}}}
}

function parseFlags(line: string, words: readonly string[]): Partial<Record<string, string>> {
  const flags = new Map<string, string>()
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    const equals = word.startsWith('--') ? word.indexOf('=') : -1
    const name = flagNames.get(equals < 0 ? word : word.slice(0, equals))
    if (name === undefined) throw bad(line, `${JSON.stringify(word)} is none of its flags`)
    const value = equals < 0 ? words[++index] : word.slice(equals + 1)
    if (value === undefined) throw bad(line, `${JSON.stringify(word)} has no value`)
    if (flags.has(name)) throw bad(line, `${JSON.stringify(word)} stands there twice`)
    flags.set(name, value)
  }
  return Object.fromEntries(flags)
}

/** The words of a line as a shell takes them apart; what a shell would expand is refused. */
function shellWords(line: string): string[] {
  const words: string[] = []
  const part = /'([^']*)'|"([^"$`\\]*)"|\\(.)|([^\s'"\\$`;&|<>(){}*?!#~[\]]+)|(\s+)/gy
  let word: string | undefined
  let end = 0
  for (const match of line.matchAll(part)) {
    end = match.index + match[0].length
    if (match[5] === undefined) word = `${word ?? ''}${match[1] ?? match[2] ?? match[3] ?? match[4] ?? ''}`
    else if (word !== undefined) {
      words.push(word)
      word = undefined
    }
  }
  if (end < line.length) throw bad(line, 'a shell would read more than words in it')
  return word === undefined ? words : [...words, word]
}

function bad(line: string, reason: string): UsageError {
  return new UsageError(`The line ${JSON.stringify(line.slice(0, 200))} cannot be read: ${reason}.`)
}
