import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {LocalCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {connectFlags, storedConnectionFlags} from '../../lib/cli/connection-flags.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {addContext, type AddedContext} from '../../lib/contexts/add.js'
import {addedContextView} from '../../lib/output/context-change.js'

export default class ContextAdd extends LocalCommand<AddedContext> {
  static override summary = 'Write a context of the connection that the flags describe, for lattice and for nats.'

  static override description =
    'Files are named in it and not copied; a password or token is kept in it. With --effective, what environment and contexts say counts too, so that a context can be copied or changed.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> prod --server tls://nats.example:4222 --creds ./prod.creds --protected',
    'pass show nats | <%= config.bin %> <%= command.id %> test --server nats://test:4222 --user ci --password-file -',
    '<%= config.bin %> <%= command.id %> blue --effective --context prod --lattice blue --json',
  ]

  static override args = {
    name: Args.string({ignoreStdin: true, required: true, description: 'Name of the context.'}),
  }

  static override flags = {
    ...storedConnectionFlags,
    'token-file': Flags.string({helpGroup: 'CONNECTION', helpValue: 'FILE', summary: 'File with a token; - is stdin.'}),
    description: Flags.string({helpValue: 'TEXT', summary: 'What it is for.'}),
    protected: Flags.boolean({default: false, summary: 'Ask for its name before destructive work.'}),
    effective: Flags.boolean({default: false, summary: 'Start from what environment and contexts say.'}),
    replace: Flags.boolean({default: false, summary: 'Change the context that has the name.'}),
    select: Flags.boolean({default: false, summary: 'Select it, for lattice and for nats.'}),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<AddedContext> {
    const {args, flags} = await this.parse(ContextAdd)

    const added = await addContext(args.name, {
      flags: connectFlags(flags),
      tokenFile: flags['token-file'],
      description: flags.description,
      protected: flags.protected,
      effective: flags.effective,
      replace: flags.replace,
      select: flags.select,
      dryRun: flags['dry-run'],
      agree: (context) => this.confirmed(context, flags.confirm),
    })

    for (const note of added.notes) this.warn(`${added.context}: ${note}.`)
    this.log(addedContextView(added))
    return added
  }
}
