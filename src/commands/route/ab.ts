import * as Args from '@oclif/core/args'

import {forFlag, HeldRouteCommand} from '../../lib/cli/held-route.js'
import {clusterFlag, routeFlags, unversionedRefFlag, versionsFlag} from '../../lib/cli/route-command.js'
import type {RouteChange} from '../../lib/routes/result.js'
import {parseSplit} from '../../lib/routing/weights.js'

export default class RouteAb extends HeldRouteCommand {
  static override summary = 'Split the traffic of an entity over its versions.'

  static override description =
    'With weights alone, entity and versions are inferred when exactly one entity runs in exactly two versions, the older one first. Live on every server when the command returns.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> 70/30',
    '<%= config.bin %> <%= command.id %> 70/30 --entity echo --versions 1.0.0,2.0.0',
    '<%= config.bin %> <%= command.id %> echo@1.0.0=70 echo@2.0.0=30 --reason "canary" --json',
  ]

  static override args = {
    legs: Args.string({
      ignoreStdin: true,
      required: true,
      multiple: true,
      description: 'Whole percents such as 70/30, or one NAME@VERSION=PERCENT a leg.',
    }),
  }

  static override flags = {
    entity: unversionedRefFlag({summary: 'Entity, where it is not the only one.'}),
    versions: versionsFlag({summary: 'Versions, in the order of the weights.'}),
    cluster: clusterFlag,
    ...forFlag,
    ...routeFlags,
  }

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteAb)
    const asked = parseSplit(args.legs)
    const {entity, versions, cluster} = flags

    return this.change(flags, (routes, options) => routes.split(asked, {entity, versions, cluster, ...options}))
  }
}
