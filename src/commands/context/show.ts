import * as Args from '@oclif/core/args'

import {LocalCommand} from '../../lib/cli/command.js'
import {describeContext, type DescribedContext} from '../../lib/nats/describe-context.js'
import {contextView} from '../../lib/output/context.js'
import {NotFoundError} from '../../lib/errors.js'

export default class ContextShow extends LocalCommand<DescribedContext> {
  static override summary = 'Show one context; its secrets appear only as "set".'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> lattice-default --json',
  ]

  static override args = {
    name: Args.string({ignoreStdin: true, description: 'Name of the context; the selected one when left out.'}),
  }

  async run(): Promise<DescribedContext> {
    const {args} = await this.parse(ContextShow)

    const context = await describeContext(args.name)
    if (context === undefined)
      throw new NotFoundError('No context is selected.', {suggestions: ['lattice context ls', 'lattice up']})

    this.log(contextView(context))
    return context
  }
}
