import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {NotFoundError} from '../../lib/errors.js'
import {describeContext, describeEffective} from '../../lib/nats/describe-context.js'
import {contextView, effectiveView, type ContextDetails, type EffectiveConnection} from '../../lib/output/context.js'

export default class ContextShow extends LatticeCommand<ContextDetails | EffectiveConnection> {
  static override summary = 'Show one context, or all that decides the connection; secrets appear only as "set".'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> lattice-default --json',
    '<%= config.bin %> <%= command.id %> --effective',
  ]

  static override args = {
    name: Args.string({ignoreStdin: true, description: 'Name of the context; the selected one when left out.'}),
  }

  static override flags = {
    effective: Flags.boolean({
      default: false,
      summary: 'Show what flags, environment and contexts come to, and where each value is from.',
    }),
  }

  async run(): Promise<ContextDetails | EffectiveConnection> {
    const {args, flags} = await this.parse(ContextShow)
    const name = args.name ?? flags.context
    if (flags.effective) {
      const resolved = await this.resolve({...flags, context: name})
      const {context} = resolved.spec
      const effective = {...(context === undefined ? {} : {context}), settings: describeEffective(resolved)}

      this.log(effectiveView(effective))
      return effective
    }

    const context = await describeContext(name)
    if (context === undefined)
      throw new NotFoundError('No context is selected.', {suggestions: ['lattice context ls', 'lattice up']})

    this.log(contextView(context))
    return context
  }
}
