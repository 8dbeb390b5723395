import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {LocalCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {importContexts, readDrafts, type ContextImport as Imported} from '../../lib/contexts/import.js'
import {contextImportView} from '../../lib/output/context-change.js'

export default class ContextImport extends LocalCommand<Imported> {
  static override summary = 'Make contexts of what wash or nsc know.'

  static override description =
    'Files of the other tool are read only, and creds stay where they are. Without --replace no context that is there is changed.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --from wash',
    '<%= config.bin %> <%= command.id %> --from nsc MyOperator/MyAccount --dry-run',
    '<%= config.bin %> <%= command.id %> --from wash --prefix wash- --json',
  ]

  static override args = {
    names: Args.string({
      ignoreStdin: true,
      multiple: true,
      description: 'Only these: contexts of wash, or OPERATOR[/ACCOUNT[/USER]] of nsc.',
    }),
  }

  static override flags = {
    from: Flags.option({options: ['wash', 'nsc'] as const})({required: true, summary: 'Tool to import from.'}),
    dir: Flags.string({helpValue: 'DIR', summary: 'Folder of its contexts or store, where it is not the usual one.'}),
    prefix: Flags.string({default: '', helpValue: 'TEXT', summary: 'Put this before every name.'}),
    replace: Flags.boolean({default: false, summary: 'Change contexts that are there.'}),
    select: Flags.boolean({default: false, summary: 'Select what the other tool has selected.'}),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<Imported> {
    const {args, flags} = await this.parse(ContextImport)
    const source = await readDrafts(flags.from, flags.dir)

    const imported = await importContexts(source, {
      only: args.names ?? [],
      prefix: flags.prefix,
      replace: flags.replace,
      select: flags.select,
      dryRun: flags['dry-run'],
      agree: (context) => this.confirmed(context, flags.confirm),
    })

    for (const {context, notes} of imported.contexts) for (const note of notes) this.warn(`${context}: ${note}.`)
    this.log(contextImportView(imported, {terminal: this.terminal}))
    return imported
  }
}
