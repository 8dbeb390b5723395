import {shellWord} from '../entity/require.js'
import {UsageError} from '../errors.js'
import type {Destination} from './plan.js'

/** One call of nsc on the mappings of an account. */
export type NscStep =
  | {readonly kind: 'add'; readonly source: string; readonly destination: Destination}
  /** Without a destination: the whole source. */
  | {readonly kind: 'delete'; readonly source: string; readonly destination?: Omit<Destination, 'weight'>}
  | {readonly kind: 'push'}

/** What one source is to become. */
export interface NscChange {
  readonly source: string
  /** What nsc's store holds; undefined: unknown, so the source is written anew. */
  readonly present: readonly Destination[] | undefined
  /** Empty: nothing. */
  readonly wanted: readonly Destination[]
}

/** From the third destination on, nsc's deletion of a single one takes others along, or crashes. */
const mostDeletable = 2

/**
 * The calls that lead from the present mappings to the wanted ones. nsc changes one destination a call and refuses sums
 * over 100, so what goes away goes first, then weights are lowered, then raised: every step is valid.
 */
export function planNsc(changes: readonly NscChange[]): NscStep[] {
  const steps = changes.flatMap(({source, present, wanted}): NscStep[] => {
    const left = wanted.filter(({weight}) => weight > 0)
    const gone = present?.filter((one) => !left.some((other) => isSame(one, other))) ?? []
    const anew =
      present === undefined || gone.length === present.length || (gone.length > 0 && present.length > mostDeletable)
    const kept = anew ? [] : present.filter((one) => !gone.includes(one))
    const clears: NscStep[] = anew
      ? present?.length === 0
        ? []
        : [{kind: 'delete', source}]
      : gone.map(({subject, cluster}) => ({kind: 'delete', source, destination: withCluster({subject}, cluster)}))
    const change = (destination: Destination): number =>
      destination.weight - (kept.find((one) => isSame(one, destination))?.weight ?? 0)
    const sets = (some: readonly Destination[]): NscStep[] =>
      some.map(({subject, weight, cluster}) => ({
        kind: 'add',
        source,
        destination: withCluster({subject, weight}, cluster),
      }))
    return [...clears, ...sets(left.filter((one) => change(one) < 0)), ...sets(left.filter((one) => change(one) > 0))]
  })
  return steps.length === 0 ? [] : [...steps, {kind: 'push'}]
}

/** The lines that a person runs, in that order; `account` is its name in nsc's store. */
export function renderNsc(steps: readonly NscStep[], account: string): string {
  if (/\p{Cc}/u.test(account)) throw new UsageError(`No line can name the account ${JSON.stringify(account)}.`)
  return steps.map((step) => `${wordsOf(step, account).map(shellWord).join(' ')}\n`).join('')
}

/** True when nsc takes both for the same destination. */
export function isSame(left: Omit<Destination, 'weight'>, right: Omit<Destination, 'weight'>): boolean {
  return left.subject === right.subject && (left.cluster ?? '') === (right.cluster ?? '')
}

function wordsOf(step: NscStep, account: string): string[] {
  if (step.kind === 'push') return ['nsc', 'push', '-a', account]
  const {kind, source, destination} = step
  return [
    ...['nsc', kind, 'mapping', '-a', account, '-f', source],
    ...(destination === undefined ? [] : ['-t', destination.subject]),
    ...(destination !== undefined && 'weight' in destination ? ['--weight', String(destination.weight)] : []),
    ...(destination?.cluster === undefined ? [] : ['--cluster', destination.cluster]),
  ]
}

function withCluster<T extends object>(destination: T, cluster: string | undefined): T & {readonly cluster?: string} {
  return cluster === undefined ? destination : {...destination, cluster}
}
