import {versionFlag} from '../../lib/cli/flags.js'
import {forFlag, HeldRouteCommand} from '../../lib/cli/held-route.js'
import {clusterFlag, routeFlags, unversionedRefArg} from '../../lib/cli/route-command.js'
import type {RouteChange} from '../../lib/routes/result.js'

export default class RouteBluegreen extends HeldRouteCommand {
  static override summary = 'Move all traffic of an entity to one version.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --to 2.0.0',
    '<%= config.bin %> <%= command.id %> echo --to 2.0.0 --dry-run',
    '<%= config.bin %> <%= command.id %> echo --to 2.0.0 --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one that can be meant.'}),
  }

  static override flags = {
    to: versionFlag({required: true, summary: 'Version that gets all traffic.'}),
    cluster: clusterFlag,
    ...forFlag,
    ...routeFlags,
  }

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteBluegreen)
    const {to, cluster} = flags

    return this.change(flags, (routes, options) => routes.cutOver(to, {entity: args.entity, cluster, ...options}))
  }
}
