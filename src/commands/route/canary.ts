import * as Flags from '@oclif/core/flags'

import {endWith} from '../../lib/cli/exit-code.js'
import {versionFlag} from '../../lib/cli/flags.js'
import {forFlag} from '../../lib/cli/held-route.js'
import {clusterFlag, routeFlags, unversionedRefArg} from '../../lib/cli/route-command.js'
import {stepFlags, stepsOf} from '../../lib/cli/step-flags.js'
import {SteppedRouteCommand} from '../../lib/cli/stepped-route.js'
import type {RouteChange} from '../../lib/routes/result.js'

export default class RouteCanary extends SteppedRouteCommand {
  static override summary = 'Give one version its share of the traffic; the others keep their proportions.'

  static override description =
    'With --step the share grows by itself, and the command stays: after each step and its time the gate is asked. Exit 0 of the gate goes on, and after the last step the route stays. ' +
    'Anything else, and Ctrl-C, puts back what was before. The gate gets LATTICE_ROUTE_ENTITY, _VERSION, _WEIGHT, _STEP and _STEPS as variables. With --json it prints one document a line.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --to 2.0.0 --weight 10',
    '<%= config.bin %> <%= command.id %> echo --to 2.0.0 --weight 10 --for 30m',
    "<%= config.bin %> <%= command.id %> echo --to 2.0.0 --step 5,25,50,100 --every 2m --gate './error-rate-is-low.sh'",
    '<%= config.bin %> <%= command.id %> echo --to 2.0.0 --step 10,100 --every 10m --gate none --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one that can be meant.'}),
  }

  static override flags = {
    to: versionFlag({required: true, summary: 'Version that gets the share.'}),
    weight: Flags.integer({min: 0, max: 100, helpValue: 'PERCENT', summary: 'Share of the traffic, in whole percent.'}),
    ...stepFlags,
    cluster: clusterFlag,
    ...forFlag,
    ...routeFlags,
  }

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteCanary)
    const shift = {to: flags.to, entity: args.entity, cluster: flags.cluster}
    const asked = stepsOf(flags)
    if ('weight' in asked) {
      return this.change(flags, (routes, options) => routes.shift({...shift, weight: asked.weight}, options))
    }
    const {last, interrupted} = await this.steps(flags, shift, asked)
    if (interrupted) endWith('interrupted')
    return last
  }
}
