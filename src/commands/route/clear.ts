import {forFlag, HeldRouteCommand} from '../../lib/cli/held-route.js'
import {unmapFlags, unversionedRefArg} from '../../lib/cli/route-command.js'
import type {RouteChange} from '../../lib/routes/result.js'

export default class RouteClear extends HeldRouteCommand {
  static override summary = 'Remove the route of an entity, once it runs in one version again.'

  static override description =
    'Refused while several versions would share the traffic. Where nobody listens on the source itself, one version stays at 100 %.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo',
    '<%= config.bin %> <%= command.id %> echo --dry-run',
    '<%= config.bin %> <%= command.id %> --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one with a route.'}),
  }

  static override flags = {...forFlag, ...unmapFlags}

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteClear)

    return this.change(flags, (routes, options) => routes.clear(args.entity, options))
  }
}
