import {shellWord} from '../entity/require.js'

/** The flags that say where a command acts, with the letter some have. */
const scopeFlags = {
  server: '-s',
  context: undefined,
  creds: undefined,
  lattice: '-l',
  'sys-context': undefined,
  'sys-creds': undefined,
  'operator-seed-file': undefined,
  'cluster-seed-file': undefined,
} as const

/** What was typed of the flags that say where a command acts. */
export type TypedScope = Readonly<Partial<Record<keyof typeof scopeFlags, string | undefined>>>

// These act on this machine and know none of the flags.
const localLine = /^lattice (?:up|down|status|context|claims (?:sign|inspect))\b|--help/

/**
 * A line of this tool with the flags that were typed now, so that it acts where the present command does when it is
 * pasted; anything else as it is.
 */
export function inScope(line: string, typed: TypedScope): string {
  if (!line.startsWith('lattice ') || localLine.test(line)) return line
  const words = new Set(line.split(' '))
  const missing = Object.entries(scopeFlags).flatMap(([flag, letter]) => {
    const value = typed[flag as keyof typeof scopeFlags]
    const there = words.has(`--${flag}`) || (letter !== undefined && words.has(letter))
    return value === undefined || there ? [] : [`--${flag}`, shellWord(value)]
  })
  return [line, ...missing].join(' ')
}
