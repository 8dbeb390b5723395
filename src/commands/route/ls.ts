import {LatticeCommand} from '../../lib/cli/command.js'
import {routesView} from '../../lib/output/route.js'
import type {RouteView} from '../../lib/routes/view.js'

export default class RouteLs extends LatticeCommand<RouteView[]> {
  static override summary = 'List the routes, as recorded and as they are live.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<RouteView[]> {
    const {flags} = await this.parse(RouteLs)
    await using lattice = await this.open(flags)

    const routes = await (await lattice.routes()).list()

    this.log(routesView(routes, {terminal: this.terminal, now: new Date(this.clock.now())}))
    return routes
  }
}
