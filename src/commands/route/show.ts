import {LatticeCommand} from '../../lib/cli/command.js'
import {subjectFlags, unversionedRefArg, writtenSubjects} from '../../lib/cli/route-command.js'
import {routeDetailsView} from '../../lib/output/route.js'
import type {RouteView} from '../../lib/routes/view.js'

export default class RouteShow extends LatticeCommand<RouteView> {
  static override summary = 'Show the route of an entity: what is recorded, and what is live on which servers.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo',
    '<%= config.bin %> <%= command.id %> echo --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one with a route.'}),
  }

  static override flags = subjectFlags

  async run(): Promise<RouteView> {
    const {args, flags} = await this.parse(RouteShow)
    await using lattice = await this.open(flags)

    const view = await (await lattice.routes()).show(args.entity, writtenSubjects(flags))

    this.log(routeDetailsView(view, new Date(this.clock.now())))
    return view
  }
}
