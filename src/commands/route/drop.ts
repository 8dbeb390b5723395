import * as Args from '@oclif/core/args'

import {HeldRouteCommand, requiredForFlag} from '../../lib/cli/held-route.js'
import {routeFlags, unversionedRefArg} from '../../lib/cli/route-command.js'
import {UsageError} from '../../lib/errors.js'
import type {RouteChange} from '../../lib/routes/result.js'

const percentArg = Args.custom<number>({
  ignoreStdin: true,
  parse: (text) => {
    const percent = Number(text)
    if (/^\d+$/.test(text) && percent >= 1 && percent <= 100) return Promise.resolve(percent)
    throw new UsageError(`${JSON.stringify(text)} is not a share: a whole percent from 1 to 100 is wanted.`, {
      suggestions: ['lattice route drop 5 --for 10m'],
    })
  },
})

export default class RouteDrop extends HeldRouteCommand {
  static override summary = 'Let some of the requests to an entity fail at once, for some time.'

  static override description =
    'The share is sent to a subject that nobody hears, so callers get "no responders" without a wait; every version gives its part. Refused while somebody listens there. What was before is put back when the time is over, or on Ctrl-C.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> 5 --for 10m',
    '<%= config.bin %> <%= command.id %> 20 echo --for 30s --reason "how do callers take it?"',
    '<%= config.bin %> <%= command.id %> 5 echo --for 10m --json',
  ]

  static override args = {
    percent: percentArg({required: true, description: 'Share of the requests, in whole percent.'}),
    entity: unversionedRefArg({description: 'Entity, where it is not the only one.'}),
  }

  static override flags = {...requiredForFlag, ...routeFlags}

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteDrop)

    return this.change(flags, (routes, options) =>
      routes.fault({drop: args.percent, forMs: flags.for}, {entity: args.entity, ...options}),
    )
  }
}
