import * as Flags from '@oclif/core/flags'

import {confirmFlag, ownTerminal} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {changeOptions, RouteCommand, subjectFlags, unversionedRefArg} from '../../lib/cli/route-command.js'
import {UsageError} from '../../lib/errors.js'
import {formatLegs} from '../../lib/output/route.js'
import type {RouteChange} from '../../lib/routes/result.js'

export default class RouteAdopt extends RouteCommand {
  static override summary = 'Take over a mapping that was made elsewhere, after showing it.'

  static override description = 'Only the record changes: from now on it says what is there, and undo leads back.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo --dry-run',
    '<%= config.bin %> <%= command.id %> --source orders.get --leg 1.0.0=@source --leg 2.0.0=orders.v2.get --yes',
    '<%= config.bin %> <%= command.id %> echo --yes --json',
  ]

  static override args = {entity: unversionedRefArg({description: 'Entity, where it is not the only one.'})}

  static override flags = {
    ...subjectFlags,
    reason: Flags.string({helpValue: 'TEXT', summary: 'Why, for the record.'}),
    'dry-run': dryRunFlag,
    yes: Flags.boolean({char: 'y', default: false, summary: 'Adopt what is there without being asked.'}),
    confirm: confirmFlag,
  }

  async run(): Promise<RouteChange> {
    const {args, flags} = await this.parse(RouteAdopt)
    await using lattice = await this.openToChange(flags)

    const agree = flags.yes ? undefined : (found: RouteChange): Promise<boolean> => this.#agree(found)
    const options = changeOptions({...flags, repair: false})
    return this.report(await (await lattice.routes()).adopt(args.entity, {...options, agree}))
  }

  async #agree({entity, legs}: RouteChange): Promise<boolean> {
    const terminal = ownTerminal()
    if (terminal === undefined) {
      throw new UsageError(`The route of '${entity}' would be ${formatLegs(legs)}, and nobody can be asked here.`, {
        suggestions: [this.line(`lattice route adopt ${entity} --dry-run`), '--yes'],
      })
    }
    const {askToAgree} = await import('../../lib/cli/agree.js')
    return askToAgree(`Adopt ${formatLegs(legs)} as the route of '${entity}'?`, terminal)
  }
}
