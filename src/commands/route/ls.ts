import {accessFlags} from '../../lib/cli/access-flags.js'
import {RoutesCommand} from '../../lib/cli/route-command.js'
import {routesView} from '../../lib/output/route.js'
import type {RouteView} from '../../lib/routes/proof/view.js'

interface RouteList {
  readonly lattice: string
  readonly routes: readonly RouteView[]
  /** Keys of records that nobody can read. */
  readonly unreadable?: readonly string[]
}

export default class RouteLs extends RoutesCommand<RouteList> {
  static override summary = 'List the routes, as recorded and as they are live.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  static override flags = accessFlags

  async run(): Promise<RouteList> {
    const {flags} = await this.parse(RouteLs)
    await using lattice = await this.open(flags)

    const all = await lattice.routes()
    const [routes, unreadable] = await Promise.all([all.list(), this.tellUnreadable(all)])

    if (routes.length === 0) this.noteEmpty(lattice)
    this.log(routesView(routes, {terminal: this.terminal, now: new Date(this.clock.now())}))
    return {lattice: lattice.name, routes, ...unreadable}
  }
}
