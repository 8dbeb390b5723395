import {commandTable} from './lib/cli/table.js'

/** All command classes by oclif id; loaded for help and for what the table does not know. */
export const COMMANDS = Object.fromEntries(
  await Promise.all(
    Object.entries(commandTable).map(
      async ([words, load]) => [words.replaceAll(' ', ':'), (await load()).default] as const,
    ),
  ),
)
