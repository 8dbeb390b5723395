import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {LocalCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {dropContext, type ContextRemoval} from '../../lib/contexts/remove.js'
import {contextRemovalView} from '../../lib/output/context-change.js'

export default class ContextRm extends LocalCommand<ContextRemoval> {
  static override summary = 'Remove a context, for lattice and for nats.'

  static override description =
    'Files that it names, such as creds, stay. The selected context goes only when another is selected instead, or when it is the last.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> try',
    '<%= config.bin %> <%= command.id %> old --select new --json',
  ]

  static override args = {
    name: Args.string({ignoreStdin: true, required: true, description: 'Name of the context.'}),
  }

  static override flags = {
    select: Flags.string({helpValue: 'NAME', summary: 'Select this context instead.'}),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<ContextRemoval> {
    const {args, flags} = await this.parse(ContextRm)

    const removal = await dropContext(args.name, {
      select: flags.select,
      dryRun: flags['dry-run'],
      agree: (context) => this.confirmed(context, flags.confirm),
    })

    for (const orphan of removal.orphans) this.warn(`Context '${orphan}' takes its system user from '${args.name}'.`)
    this.log(contextRemovalView(removal))
    return removal
  }
}
