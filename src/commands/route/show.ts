import {endWith} from '../../lib/cli/exit-code.js'
import {windowFlag} from '../../lib/cli/observe-args.js'
import {subjectFlags, unversionedRefArg, writtenSubjects, RoutesCommand} from '../../lib/cli/route-command.js'
import {observedView} from '../../lib/output/observed.js'
import {routeDetailsView} from '../../lib/output/route.js'
import type {RouteView} from '../../lib/routes/proof/view.js'

export default class RouteShow extends RoutesCommand<RouteView> {
  static override summary = 'Show the route of an entity: what is asked, live on which servers, and observed.'

  static override description =
    'Observed is what the subscribers of each version really get in --window, on all servers, each share with the interval that holds the true one in 95 of 100 runs. It is counted for 5s on a terminal; in scripts only where --window is given.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo',
    '<%= config.bin %> <%= command.id %> echo --window 30s',
    '<%= config.bin %> <%= command.id %> echo --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one with a route.'}),
  }

  static override flags = {
    ...subjectFlags,
    window: windowFlag({summary: 'How long messages are counted; 0 for not at all.'}),
  }

  async run(): Promise<RouteView> {
    const {args, flags} = await this.parse(RouteShow)
    await using lattice = await this.open(flags)

    const windowMs = flags.window ?? (this.terminal ? 5000 : 0)
    const signal = windowMs === 0 ? undefined : this.signal()
    const details = (view: RouteView): void => this.log(routeDetailsView(view, new Date(this.clock.now())))
    const observe = windowMs === 0 ? undefined : {windowMs, signal, begin: details}
    const view = await (await lattice.routes()).show(args.entity, {...writtenSubjects(flags), observe})

    if (observe === undefined) details(view)
    this.log(observedView(view, {terminal: this.terminal}))
    if (signal?.aborted === true) endWith('interrupted')
    return view
  }
}
