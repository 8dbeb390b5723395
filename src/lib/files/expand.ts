import {lstat} from 'node:fs/promises'

import {expandHome} from './paths.js'

const variable = /\$(?:\{(\w+)\}|(\w+))/g

/**
 * A path from a context or a flag as natscli takes it: `$NAME`, `${NAME}` and a leading `~` expanded, a variable that is
 * not set as nothing. A file whose name really holds a `$` wins.
 */
export async function expandPath(path: string): Promise<string> {
  if (!path.includes('$')) return expandHome(path)
  const literal = expandHome(path)
  const exists = await lstat(literal).then(
    () => true,
    () => false,
  )
  return exists
    ? literal
    : expandHome(path.replace(variable, (_all, braced: string, bare: string) => process.env[braced || bare] ?? ''))
}

/** Variables that the path names and that are not set, each once. */
export function unsetVariables(path: string): string[] {
  const names = [...path.matchAll(variable)].map(([, braced, bare]) => braced ?? bare!)
  return [...new Set(names)].filter((name) => process.env[name] === undefined)
}
