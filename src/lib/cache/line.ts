import {shellWord} from '../entity/require.js'

/** Which lattice a suggested line acts on. */
export interface LineScope {
  readonly lattice: string
  readonly context?: string
}

/** A line of this tool that can be pasted into a shell and acts where the present command does. */
export function commandLine(words: readonly string[], {lattice, context}: LineScope): string {
  const scope = [
    ...(context === undefined ? [] : ['--context', context]),
    ...(lattice === 'default' && context === undefined ? [] : ['--lattice', lattice]),
  ]
  return ['lattice', ...words, ...scope].map(shellWord).join(' ')
}
