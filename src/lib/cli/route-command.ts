import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {formatRef, parseRef, type EntityRef} from '../entity/entity.js'
import {parseVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {routeChangeView} from '../output/route.js'
import {LatticeCommand} from './command.js'
import {confirmFlag} from './confirm.js'
import {dryRunFlag} from './flags.js'

/** What a change comes to, as its view takes it. */
type RouteChange = Parameters<typeof routeChangeView>[0]

/** An entity without a version, where the versions are given otherwise. */
export const unversionedRefFlag = Flags.custom<EntityRef>({
  helpValue: 'ENTITY',
  parse: (text) => Promise.resolve(withoutVersion(text)),
})

/** The same as an argument. */
export const unversionedRefArg = Args.custom<EntityRef>({
  ignoreStdin: true,
  parse: (text) => Promise.resolve(withoutVersion(text)),
})

/** Versions with commas between, each once. */
export const versionsFlag = Flags.custom<readonly Version[]>({
  helpValue: 'A,B',
  parse: (text) => Promise.resolve(text.split(',').map(parseVersion)),
})

/** Flags of every command that changes a route. */
export const routeFlags = {
  reason: Flags.string({helpValue: 'TEXT', summary: 'Why, for the record.'}),
  'dry-run': dryRunFlag,
  revision: Flags.integer({
    min: 0,
    helpValue: 'N',
    summary: "Only if the route's record is at this revision, as a dry run told it; 0 for none.",
  }),
  confirm: confirmFlag,
  repair: Flags.boolean({default: false, summary: 'Replace a mapping that is not the one lattice applied.'}),
}

/** Flags of the commands that can remove a mapping. */
export const unmapFlags = {
  ...routeFlags,
  share: Flags.boolean({default: false, summary: 'Let several versions share the traffic without a mapping.'}),
}

/** A command that changes a route: what it did, what it inferred, and what is worth a warning. */
export abstract class RouteCommand extends LatticeCommand<RouteChange> {
  /** Shows a change; what a script should write out is told where scripts run. */
  protected report(done: RouteChange): RouteChange {
    const change = {
      ...done,
      ...(done.undo === undefined ? {} : {undo: this.line(done.undo)}),
      ...(done.inferred === undefined ? {} : {inferred: this.line(done.inferred)}),
    }
    if (change.inferred !== undefined && isCi(process.env['CI'])) this.note(`In full: ${change.inferred}`)
    for (const warning of change.warnings ?? []) this.warn(warning)
    this.log(routeChangeView(change, {terminal: this.terminal}))
    return change
  }
}

function isCi(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0'
}

function withoutVersion(text: string): EntityRef {
  const {version, ...ref} = parseRef(text)
  if (version === undefined) return ref
  throw new UsageError(`${JSON.stringify(text)} names a version, and an entity is wanted here.`, {
    suggestions: [formatRef(ref)],
  })
}
