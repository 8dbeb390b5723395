import type {Config} from '@oclif/core'

import type {LocalCommand} from './command.js'

/** What the table holds: the default export of a command file. */
export interface CommandClass {
  new (argv: string[], config: Config): LocalCommand<object>
  id: string
}

type Load = () => Promise<{readonly default: CommandClass}>

/**
 * Every command, by the words a user types. A table instead of a scan of folders: a command loads its own imports and
 * no other's, which is most of the start-up time.
 */
export const commandTable: Readonly<Record<string, Load>> = {
  'context ls': () => import('../../commands/context/ls.js'),
  'context show': () => import('../../commands/context/show.js'),
  'context use': () => import('../../commands/context/use.js'),
}

/** Descriptions of the topics, for help. */
export const topics: Readonly<Record<string, string>> = {
  cache: 'Inspect and edit the records that every host shares.',
  claims: 'Sign modules and look at what they claim.',
  context: 'Choose which servers and credentials to use.',
  entity: 'See what runs, in which versions.',
  host: 'See and run hosts.',
  link: 'Tie actors to providers.',
  route: 'Split traffic over versions.',
}
