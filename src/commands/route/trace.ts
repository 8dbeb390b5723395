import * as Flags from '@oclif/core/flags'

import {traceTargetArg} from '../../lib/cli/observe-args.js'
import {RoutesCommand, subjectFlags, unversionedRefFlag, writtenSubjects} from '../../lib/cli/route-command.js'
import {tracedRouteView} from '../../lib/output/trace.js'
import type {TracedRoute} from '../../lib/routes/proof/trace.js'

export default class RouteTrace extends RoutesCommand<TracedRoute> {
  static override summary = 'Show where messages to a subject or an entity would go now, without sending any.'

  static override description =
    'Servers from 2.11 on tell the way of a message and deliver it to nobody. Each probe makes its own draw, so the shares come with an interval that holds the true one in 95 of 100 runs. What is shown holds for the server of this connection. An import from another account is followed only where its export allows tracing.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> orders.get',
    '<%= config.bin %> <%= command.id %> echo --probes 1000',
    '<%= config.bin %> <%= command.id %> echo --json',
  ]

  static override args = {
    target: traceTargetArg({
      description: 'Subject, which has a dot, or entity; default: the only one with a route.',
    }),
  }

  static override flags = {
    ...subjectFlags,
    entity: unversionedRefFlag({summary: 'Entity, where its name has a dot.', exclusive: ['source']}),
    probes: Flags.integer({min: 1, max: 100_000, default: 200, helpValue: 'N', summary: 'How many messages to trace.'}),
  }

  async run(): Promise<TracedRoute> {
    const {args, flags} = await this.parse(RouteTrace)
    await using lattice = await this.open(flags)

    const {target} = args
    const ref = flags.entity ?? (target?.kind === 'entity' ? target.ref : undefined)
    const traced = await (
      await lattice.routes()
    ).trace(target?.kind === 'subject' ? target.subject : {ref, ...writtenSubjects(flags)}, {
      probes: flags.probes,
      signal: this.signal(),
    })

    this.log(tracedRouteView(traced, {terminal: this.terminal}))
    return traced
  }
}
