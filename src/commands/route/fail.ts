import {versionFlag} from '../../lib/cli/flags.js'
import {HeldRouteCommand, requiredForFlag} from '../../lib/cli/held-route.js'
import {routeFlags, unversionedRefArg} from '../../lib/cli/route-command.js'
import type {RouteChange} from '../../lib/routes/result.js'

export default class RouteFail extends HeldRouteCommand {
  static override summary = "Let all of one version's share of the requests fail at once, for some time."

  static override description =
    'The share is sent to a subject that nobody hears, so callers get "no responders" without a wait. Refused while somebody listens there. What was before is put back when the time is over, or on Ctrl-C.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo --version 2.0.0 --for 10m',
    '<%= config.bin %> <%= command.id %> --version 2.0.0 --for 30s --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one.'}),
  }

  static override flags = {
    version: versionFlag({required: true, summary: 'Version whose share fails.'}),
    ...requiredForFlag,
    ...routeFlags,
  }

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteFail)

    return this.change(flags, (routes, options) =>
      routes.fault({fail: flags.version, forMs: flags.for}, {entity: args.entity, ...options}),
    )
  }
}
