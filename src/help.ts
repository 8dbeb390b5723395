import type {Command} from '@oclif/core/command'
import {CommandHelp, Help} from '@oclif/core/help'

import {connectionFlags, usualConnectionFlags} from './lib/cli/connection-flags.js'

/** What the commands that begin with these words need besides a connection. */
const needed: readonly (readonly [begin: string, flags: readonly string[]])[] = [
  ['context', Object.keys(connectionFlags)],
  ['route', ['sys-context', 'sys-creds', 'operator-seed-file']],
  ['call', ['cluster-seed-file']],
  ['host:run', ['cluster-seed-file']],
]

/** Usage that can be read: the many flags stand below it anyway. */
class ShortCommandHelp extends CommandHelp {
  protected override usage(): string {
    const {id, args} = this.command
    const words = Object.values(args).map(({name, required, multiple}) => {
      const word = `${name.toUpperCase()}${multiple === true ? '...' : ''}`
      return required === true ? word : `[${word}]`
    })
    return ['$ lattice', id.replaceAll(':', ' '), ...words, '[FLAGS]'].join(' ')
  }
}

/** Help in which a command shows its own flags and the usual ones of connecting, and says where the others are. */
export default class LatticeHelp extends Help {
  protected override CommandHelpClass = ShortCommandHelp

  protected override formatCommand(command: Command.Loadable): string {
    const all = Object.entries(command.flags)
    const shown = all.filter(([flag]) => isShown(flag, command.id))
    const flags = Object.fromEntries(shown.map(([name, flag]) => [name, withoutEmptyDefault(flag)]))
    const help = super.formatCommand({...command, flags})
    if (shown.length === all.length) return help
    return `${help.trimEnd()}\n\nMore ways to connect: lattice context show --help`
  }
}

/** A list that is empty unless something is given would read as "[default: ]". */
function withoutEmptyDefault(flag: Command.Flag.Cached): Command.Flag.Cached {
  return Array.isArray(flag.default) && flag.default.length === 0 ? {...flag, default: undefined} : flag
}

function isShown(flag: string, id: string): boolean {
  if (!Object.hasOwn(connectionFlags, flag) || usualConnectionFlags.has(flag)) return true
  return needed.some(([begin, flags]) => id.startsWith(begin) && flags.includes(flag))
}
