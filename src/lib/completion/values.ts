/**
 * What a flag or an argument takes, as the scripts write it: `files`, `folders`, `none`, choices as `words:a|b`, and
 * names that are looked up when they are completed as `names:<kind>`.
 */
export type Values = 'none' | 'files' | 'folders' | `words:${string}` | `names:${NameKind}`

/**
 * Kinds of names. `context` and `embedded` are folders that the shell lists itself; the others lie in the file that
 * `completion refresh` writes. `ref` is an entity with or without a version, `leg` one with a version and a weight.
 */
export type NameKind =
  | 'context'
  | 'embedded'
  | 'lattice'
  | 'entity'
  | 'actor'
  | 'provider'
  | 'ref'
  | 'leg'
  | 'record'
  | 'artifact'
  | 'version'
  | 'versions'
  | 'host'

interface Taker {
  readonly command: string
  readonly name: string
  readonly options?: readonly string[] | undefined
  readonly helpValue?: string | undefined
}

/** What a flag that has a value takes: by its choices, else its name, else the placeholder in its help. */
export function valuesOfFlag({command, name, options, helpValue}: Taker): Values {
  if (options !== undefined && options.length > 0) return words(options)
  if (name === 'name' && /^(up|down|status)$/.test(command)) return 'names:embedded'
  // There it is a revision.
  if (name === 'to' && (command.startsWith('cache ') || command === 'route undo')) return 'none'
  return flagsByName[name] ?? byPlaceholder[helpValue ?? ''] ?? 'none'
}

/** What an argument takes: by its choices, else the command that has it, else its name. */
export function valuesOfArgument({command, name, options}: Taker): Values {
  if (options !== undefined && options.length > 0) return words(options)
  const [topic] = command.split(' ')
  return argumentsOf[`${command} ${name}`] ?? argumentsOf[`${topic!} * ${name}`] ?? argumentsOf[name] ?? 'none'
}

const flagsByName: Readonly<Record<string, Values>> = {
  context: 'names:context',
  'against-context': 'names:context',
  'sys-context': 'names:context',
  select: 'names:context',
  lattice: 'names:lattice',
  'against-lattice': 'names:lattice',
  version: 'names:version',
  to: 'names:version',
  versions: 'names:versions',
  entity: 'names:entity',
  host: 'names:host',
}

const byPlaceholder: Readonly<Record<string, Values>> = {
  FILE: 'files',
  'FILE|-': 'files',
  DIR: 'folders',
}

// By command and name, by topic and name, by name: the first that is there.
const argumentsOf: Readonly<Record<string, Values>> = {
  'route ab legs': 'names:leg',
  'route * entity': 'names:entity',
  'context add name': 'none',
  'context * name': 'names:context',
  'cache * key': 'names:record',
  'cache * other': 'names:record',
  entity: 'names:ref',
  actor: 'names:actor',
  provider: 'names:provider',
  host: 'names:host',
  artifact: 'names:artifact',
  file: 'files',
}

function words(options: readonly string[]): Values {
  return `words:${options.join('|')}`
}
