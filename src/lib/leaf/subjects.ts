import {UsageError} from '../errors.js'

/** Where the leaf nodes of a lattice are asked and told; one token each behind the lattice's name. */
export interface LeafSubjects {
  /** All leaf nodes answer with a LeafState. */
  readonly read: string
  /** One leaf node changes its mappings. */
  readonly change: (id: string) => string
  /** One leaf node asks its server for us; see askLeaf. */
  readonly ask: (id: string) => string
}

/** Subjects of the account, below `LATTICE.leaf.<lattice>`; who may publish there may ask, and who signs rightly may change. */
export function leafSubjects(lattice: string): LeafSubjects {
  const prefix = `LATTICE.leaf.${lattice}`
  return {read: `${prefix}.read`, change: (id) => `${prefix}.${id}.change`, ask: (id) => `${prefix}.${id}.ask`}
}

/** Name of a leaf node's server. */
export function leafServerName({name, id}: {readonly name: string; readonly id: string}): string {
  return `lattice-leaf-${name}-${id}`
}

/** True for the connection of a leaf node of ours, which listens on what it maps and answers nothing. */
export function isOwnLeaf(connectionName: string): boolean {
  return connectionName.startsWith('lattice-leaf-')
}

/** The name that leaf nodes share which split alike; throws a UsageError. */
export function parseLeafName(text: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(text)) return text
  throw new UsageError(`${JSON.stringify(text.slice(0, 80))} is not a name for leaf nodes: letters, digits, _ and -.`, {
    suggestions: ['--name edge'],
  })
}
