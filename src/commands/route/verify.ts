import * as Flags from '@oclif/core/flags'

import {confirmFlag} from '../../lib/cli/confirm.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {durationFlag} from '../../lib/cli/flags.js'
import {RouteCommand, subjectFlags, unversionedRefArg, writtenSubjects} from '../../lib/cli/route-command.js'
import {routeVerificationView} from '../../lib/output/route-life.js'
import type {RouteVerification} from '../../lib/routes/proof/verify.js'
import type {RouteChange} from '../../lib/routes/result.js'

type Verified = RouteVerification & {
  readonly repaired?: readonly RouteChange[]
  readonly unreadable?: readonly string[]
}

export default class RouteVerify extends RouteCommand<Verified> {
  static override summary = 'Check on every server that what is recorded of routes is live.'

  static override description =
    'Exit code 8 when it is not. Without system credentials by messages that are traced and not delivered (servers of 2.11 or newer), through every server that can be reached.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> echo --wait 30s',
    '<%= config.bin %> <%= command.id %> --repair',
    '<%= config.bin %> <%= command.id %> --json',
  ]

  static override args = {entity: unversionedRefArg({description: 'Entity; without it all routes.'})}

  static override flags = {
    ...subjectFlags,
    wait: durationFlag({summary: 'How long what is not live yet may take to be.'}),
    repair: Flags.boolean({default: false, summary: 'Make live again what is not.'}),
    reason: Flags.string({helpValue: 'TEXT', summary: 'Why it is repaired, for the record.'}),
    confirm: confirmFlag,
  }

  async run(): Promise<Verified> {
    const {args, flags} = await this.parse(RouteVerify)
    await using lattice = await this.openToChange({...flags, 'dry-run': !flags.repair})
    const routes = await lattice.routes()
    const {isUnverified} = await import('../../lib/routes/proof/verify.js')
    const options = {...writtenSubjects(flags), waitMs: flags.wait}

    const found = await routes.verify(args.entity, options)
    const repairing = flags.repair && !found.live
    const repaired = repairing ? await routes.repair(found, {why: flags.reason}) : undefined
    const verification = repairing ? await routes.verify(args.entity, options) : found

    for (const change of repaired ?? []) this.report(change)
    for (const warning of verification.warnings ?? []) this.warn(warning)
    if (verification.drift !== undefined) this.warn(verification.drift)
    this.log(routeVerificationView(verification, {terminal: this.terminal}))
    const unreadable = args.entity === undefined ? await this.tellUnreadable(routes) : {}
    const unknown = unreadable.unreadable !== undefined
    if (unknown) endWith('partial')
    if (!verification.live && !(flags['accept-unverified'] && isUnverified(verification))) endWith('partial')
    return {...verification, ...unreadable, ...(repaired === undefined ? {} : {repaired})}
  }
}
