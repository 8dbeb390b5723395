import type {Entity, EntityRef} from './entity.js'

/** What a reference means among the known entities; the caller decides what each answer is worth. */
export type Resolution =
  | {readonly kind: 'found'; readonly entity: Entity}
  | {readonly kind: 'ambiguous'; readonly candidates: readonly Entity[]}
  | {readonly kind: 'missing'; readonly nearest: readonly string[]}

const shortestPrefix = 8

/**
 * Resolves the name (and link name) of a reference among the entities that are known. Exact matches win over key
 * prefixes; a provider is one entity a link name, `default` unless written.
 */
export function resolveEntity({name, link}: EntityRef, known: readonly Entity[]): Resolution {
  const linked = known.filter(
    (entity) => entity.kind !== 'provider' || entity.link === (link ?? 'default') || link === undefined,
  )
  const exact = linked.filter((entity) => entity.key === name || entity.name === name || entity.callAlias === name)
  const matches =
    exact.length > 0 || name.length < shortestPrefix ? exact : linked.filter(({key}) => key.startsWith(name))
  const preferred = link === undefined ? preferDefaultLink(matches) : matches
  if (preferred.length === 1) return {kind: 'found', entity: preferred[0]!}
  if (preferred.length > 1) return {kind: 'ambiguous', candidates: preferred}
  return {kind: 'missing', nearest: nearestNames(name, known)}
}

/** Two link names of one provider are not ambiguous when one of them is the default. */
function preferDefaultLink(matches: readonly Entity[]): readonly Entity[] {
  const [first] = matches
  const oneProvider = first?.kind === 'provider' && matches.every(({key}) => key === first.key)
  const byDefault = matches.filter(({link}) => link === 'default')
  return oneProvider && byDefault.length === 1 ? byDefault : matches
}

/** Known names that a typing error could have meant, best first, at most three. */
export function nearestNames(name: string, known: readonly Entity[]): string[] {
  const wanted = name.toLowerCase()
  return [...new Set(known.flatMap((entity) => [entity.name, ...(entity.callAlias ? [entity.callAlias] : [])]))]
    .map((candidate) => ({candidate, distance: editDistance(wanted, candidate.toLowerCase())}))
    .filter(({candidate, distance}) => distance <= Math.max(2, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({candidate}) => candidate)
}

/** Levenshtein distance. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({length: right.length + 1}, (_, index) => index)
  for (const [row, mine] of Array.from(left).entries()) {
    const current = [row + 1]
    for (const [column, other] of Array.from(right).entries()) {
      current.push(
        Math.min(current[column]! + 1, previous[column + 1]! + 1, previous[column]! + (mine === other ? 0 : 1)),
      )
    }
    previous = current
  }
  return previous[right.length] ?? left.length
}
