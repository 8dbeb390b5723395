import {accessFlags} from '../../lib/cli/access-flags.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {RoutesCommand} from '../../lib/cli/route-command.js'
import {reconciliationView} from '../../lib/output/route-steps.js'
import type {Reconciliation} from '../../lib/routes/strategies/reconcile.js'

export default class RouteReconcile extends RoutesCommand<Reconciliation> {
  static override summary = 'Put back the routes whose time is over, and end the changes whose command died.'

  static override description =
    'Made for cron: exit 0 when all is as it should be, exit 8 when a route could not be put back, with the reason. What is put back is computed and checked anew.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --dry-run',
    '<%= config.bin %> <%= command.id %> --json',
  ]

  static override flags = {
    ...accessFlags,
    'dry-run': dryRunFlag,
    confirm: confirmFlag,
  }

  async run(): Promise<Reconciliation> {
    const {flags} = await this.parse(RouteReconcile)
    await using lattice = await this.openToChange(flags)

    const routes = await lattice.routes()
    const done = await routes.reconcile({dryRun: flags['dry-run']})
    const unreadable = await this.tellUnreadable(routes)
    if (unreadable.unreadable !== undefined) endWith('partial')

    this.log(reconciliationView(done, {terminal: this.terminal}))
    return {...done, ...unreadable}
  }
}
