import {subjectFlags, unversionedRefArg, writtenSubjects, RoutesCommand} from '../../lib/cli/route-command.js'
import {routeHistoryView} from '../../lib/output/route-life.js'
import type {RouteHistory} from '../../lib/routes/proof/history.js'

export default class RouteHistoryCommand extends RoutesCommand<RouteHistory> {
  static override summary = 'Show who changed the route of an entity, when, why, and from what to what.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo',
    '<%= config.bin %> <%= command.id %> echo --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one with a route.'}),
  }

  static override flags = subjectFlags

  async run(): Promise<RouteHistory> {
    const {args, flags} = await this.parse(RouteHistoryCommand)
    await using lattice = await this.open(flags)

    const history = await (await lattice.routes()).history(args.entity, writtenSubjects(flags))

    this.log(routeHistoryView(history, {terminal: this.terminal, now: new Date(this.clock.now())}))
    return history
  }
}
