import * as Flags from '@oclif/core/flags'

import {expandHome} from '../files/paths.js'
import type {RouteAccess} from '../routes/access.js'

/** The file that declares services which do not answer for themselves. */
export const servicesFlag = Flags.string({
  aliases: ['file'],
  helpValue: 'FILE',
  summary:
    "File that declares services which do not answer for themselves (LATTICE_SERVICES); default: services.yaml in the repository's root.",
})

/**
 * Where services may be declared, as flag or variable say it. A file that nobody named is told by `note` where what it
 * declares may matter, and in pipelines always.
 */
export function servicesPlace(
  flag: string | undefined,
  note: (text: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): NonNullable<RouteAccess['services']> {
  const variable = env['LATTICE_SERVICES']
  const named = flag ?? (variable === '' ? undefined : variable)
  const told = new Set<string>()
  return {
    named: named === undefined ? undefined : expandHome(named),
    from: process.cwd(),
    tell: ({file, used}) => {
      if ((!used && !isCi(env['CI'])) || told.has(file)) return
      told.add(file)
      note(`Services are declared in '${file}'.`)
    },
  }
}

/** True where no person watches. */
export function isCi(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0'
}
