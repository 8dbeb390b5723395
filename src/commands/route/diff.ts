import * as Flags from '@oclif/core/flags'

import {endWith} from '../../lib/cli/exit-code.js'
import {subjectFlags, unversionedRefArg, writtenSubjects, RoutesCommand} from '../../lib/cli/route-command.js'
import {routeDifferencesView} from '../../lib/output/route-life.js'
import type {RouteDifference} from '../../lib/routes/proof/diff.js'

interface RouteDiffResult {
  readonly lattice: string
  readonly differs: boolean
  readonly routes: readonly RouteDifference[]
}

export default class RouteDiff extends RoutesCommand<RouteDiffResult> {
  static override summary = 'Compare what is recorded of routes with what is live.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> echo --exit-code',
    '<%= config.bin %> <%= command.id %> --json',
  ]

  static override args = {entity: unversionedRefArg({description: 'Entity; without it all routes.'})}

  static override flags = {
    ...subjectFlags,
    'exit-code': Flags.boolean({default: false, summary: 'Exit with 20 when something differs.'}),
  }

  async run(): Promise<RouteDiffResult> {
    const {args, flags} = await this.parse(RouteDiff)
    await using lattice = await this.open(flags)

    const routes = await (await lattice.routes()).diff(args.entity, writtenSubjects(flags))

    const differs = routes.some((route) => route.differs)
    this.log(routeDifferencesView(routes, {terminal: this.terminal}))
    if (differs && flags['exit-code']) endWith('differs')
    return {lattice: lattice.name, differs, routes}
  }
}
