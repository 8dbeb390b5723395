import * as Flags from '@oclif/core/flags'

import {forFlag, HeldRouteCommand} from '../../lib/cli/held-route.js'
import {unmapFlags, unversionedRefArg} from '../../lib/cli/route-command.js'
import type {RouteChange} from '../../lib/routes/result.js'

export default class RouteUndo extends HeldRouteCommand {
  static override summary = 'Take the last change of a route back; a second undo redoes it.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> echo --to 17',
    '<%= config.bin %> <%= command.id %> echo --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one with a route.'}),
  }

  static override flags = {
    to: Flags.integer({min: 1, helpValue: 'REV', summary: 'Go back to the route of this revision; for scripts.'}),
    ...forFlag,
    ...unmapFlags,
  }

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteUndo)

    return this.change(flags, (routes, options) => routes.undo(args.entity, {to: flags.to, ...options}))
  }
}
