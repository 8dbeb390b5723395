import * as Args from '@oclif/core/args'

import {LocalCommand} from '../../lib/cli/command.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {readNamedContext, selectContext, selectedContext} from '../../lib/nats/context-files.js'

interface ContextUsed {
  readonly context: string
  readonly previous?: string
  readonly changed: boolean
  readonly dryRun: boolean
}

export default class ContextUse extends LocalCommand<ContextUsed> {
  static override summary = 'Select the context that lattice and nats use when none is named.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> lattice-default',
    '<%= config.bin %> <%= command.id %> lattice-default --json',
  ]

  static override args = {
    name: Args.string({ignoreStdin: true, required: true, description: 'Name of the context.'}),
  }

  static override flags = {'dry-run': dryRunFlag}

  async run(): Promise<ContextUsed> {
    const {args, flags} = await this.parse(ContextUse)

    const previous = await selectedContext()
    const dryRun = flags['dry-run']
    await (dryRun ? readNamedContext(args.name) : selectContext(args.name))

    this.log(dryRun ? `Would select context '${args.name}'.` : `Context '${args.name}' is selected.`)
    return {context: args.name, ...(previous === undefined ? {} : {previous}), changed: previous !== args.name, dryRun}
  }
}
