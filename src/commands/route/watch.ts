import * as Flags from '@oclif/core/flags'

import {endWith} from '../../lib/cli/exit-code.js'
import {durationFlag} from '../../lib/cli/flags.js'
import {RedrawnText} from '../../lib/cli/redraw.js'
import {RoutesCommand, subjectFlags, unversionedRefArg, writtenSubjects} from '../../lib/cli/route-command.js'
import {routeTickView} from '../../lib/output/observed.js'
import type {RouteTick} from '../../lib/routes/proof/watch.js'

export default class RouteWatch extends RoutesCommand<Partial<RouteTick>> {
  static override summary = 'Keep the route of an entity on screen: asked, applied and observed, until Ctrl-C.'

  static override description =
    'Observed is what the subscribers of each version really got in the last --window, on all servers. On a terminal it is drawn anew every second, else it is one JSON document a line, one a window. With --until-stable it ends when every server has the route and over a whole window every share is as asked (its 95 % interval holds the weight), and with exit code 6 when that takes longer than --timeout.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo',
    '<%= config.bin %> <%= command.id %> echo --until-stable --timeout 2m',
    '<%= config.bin %> <%= command.id %> echo --window 10s --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity, where it is not the only one with a route.'}),
  }

  static override flags = {
    ...subjectFlags,
    window: durationFlag({default: 5000, summary: 'How long messages are counted.'}),
    'until-stable': Flags.boolean({default: false, summary: 'End as soon as the route is what was asked for.'}),
  }

  async run(): Promise<Partial<RouteTick>> {
    const {args, flags} = await this.parse(RouteWatch)
    const signal = this.signal()
    const unread = new AbortController()
    const drawn = this.terminal ? new RedrawnText() : undefined
    await using lattice = await this.open(flags, {reconnect: 'forever'})

    const target = {ref: args.entity, ...writtenSubjects(flags)}
    const last = await (
      await lattice.routes()
    ).watch(target, {
      windowMs: flags.window,
      everyMs: drawn === undefined ? flags.window : Math.min(1000, flags.window),
      untilStable: flags['until-stable'],
      withinMs: flags.timeout,
      signal: AbortSignal.any([signal, unread.signal]),
      report: async (tick) => {
        if (drawn === undefined) this.logLine(tick)
        else drawn.show(routeTickView(tick))
        if (!(await this.drained())) unread.abort()
      },
    })

    if (signal.aborted) endWith('interrupted')
    return last ?? {}
  }

  protected override get jsonForm(): 'line' | false {
    return this.jsonEnabled() && 'line'
  }

  /** Everything was told already, a line each. */
  protected override logJson(): void {
    return
  }
}
