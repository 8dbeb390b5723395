import * as Flags from '@oclif/core/flags'

import {LocalCommand} from '../lib/cli/command.js'
import {confirmFlag} from '../lib/cli/confirm.js'
import {dryRunFlag, latticeFlag} from '../lib/cli/flags.js'
import {downView, embeddedEventView} from '../lib/output/embedded.js'
import {downEmbedded, type DownResult} from '../lib/server/down.js'

export default class Down extends LocalCommand<DownResult> {
  static override summary = 'End the lattice that lattice up started.'

  static override description = 'Hosts finish their calls first. Keys and data are kept, unless it is ephemeral.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --name try --purge --json',
  ]

  static override flags = {
    name: latticeFlag({default: 'default', summary: 'Name of the lattice.'}),
    purge: Flags.boolean({default: false, summary: 'Also remove its keys, data and contexts.'}),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<DownResult> {
    const {flags} = await this.parse(Down)

    const down = await downEmbedded({
      name: flags.name,
      purge: flags.purge,
      dryRun: flags['dry-run'],
      clock: this.clock,
      agree: (context) => this.confirmed(context, flags.confirm),
      report: (event) => this.note(embeddedEventView(event)),
    })

    this.log(downView(down))
    return down
  }
}
