import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {formatRef, parseRef, type EntityRef} from '../entity/entity.js'
import {parseVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {rolloutLine} from '../output/rollout.js'
import {routeChangeView} from '../output/route.js'
import type {RouteAccess} from '../routes/access.js'
import type {ChangeOptions} from '../routes/draft.js'
import type {Routes} from '../routes/routes.js'
import type {WrittenSubjects} from '../routes/target.js'
import {allowable} from '../routing/allow.js'
import type {DriverName} from '../routing/driver-names.js'
import {renderFormats, type RenderFormat} from '../routing/render-formats.js'
import {accessFlags, routeAccess} from './access-flags.js'
import {LatticeCommand} from './command.js'
import {confirmFlag} from './confirm.js'
import {endWith} from './exit-code.js'
import {dryRunFlag} from './flags.js'
import {isCi, servicesPlace} from './services-flag.js'

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

/** Flags that name what hosts do not run: the subjects of services, and of whatever else answers on NATS. */
export const subjectFlags = {
  ...accessFlags,
  source: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'SUBJECT',
    summary: 'Subject that callers use: of a plain service, or ENDPOINT=SUBJECT of a micro service.',
  }),
  leg: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'VERSION=SUBJECT',
    summary: 'Where a version of a plain service listens; @source for the one on the source itself.',
  }),
}

export const repairFlag = Flags.boolean({
  default: false,
  summary: 'Replace a mapping that is not the one lattice applied.',
})

export const shareFlag = Flags.boolean({
  default: false,
  summary: 'Let several versions share the traffic without a mapping.',
})

export const allowFlag = Flags.string({
  multiple: true,
  multipleNonGreedy: true,
  options: [...allowable],
  helpValue: 'RULE',
  summary: 'Switch one rule off that a refusal named; recorded.',
})

/** Flags of every command that changes a route. */
export const routeFlags = {
  ...subjectFlags,
  reason: Flags.string({helpValue: 'TEXT', summary: 'Why, for the record.'}),
  'dry-run': dryRunFlag,
  revision: Flags.integer({
    min: 0,
    helpValue: 'N',
    summary: "Only if the route's record is at this revision, as a dry run told it; 0 for none.",
  }),
  confirm: confirmFlag,
  repair: repairFlag,
  allow: allowFlag,
  output: Flags.custom<RenderFormat>({options: [...renderFormats]})({
    dependsOn: ['driver'],
    summary: 'Form of what is written out; default: configuration, claims and lines for nsc.',
  }),
}

/** Where a split is for. */
export const clusterFlag = Flags.string({
  helpValue: 'NAME',
  summary: 'Only for callers at servers of this cluster; all others keep what they have.',
})

/** Flags of the commands that can remove a mapping. */
export const unmapFlags = {
  ...routeFlags,
  share: shareFlag,
}

/** What flags say about a change, as the library takes it. */
export function changeOptions(flags: RouteFlags): ChangeOptions {
  return {
    why: shortReason(flags.reason),
    dryRun: flags['dry-run'] || flags.driver === 'print',
    print: flags.driver === 'print' ? (flags.output ?? 'all') : undefined,
    revision: flags.revision,
    repair: flags.repair,
    allow: flags.allow,
    share: flags.share,
    ...writtenSubjects(flags),
  }
}

/** What a record can hold of a reason; whoever reads it at three in the morning holds less. */
function shortReason(reason: string | undefined): string | undefined {
  if (reason === undefined || reason.length <= 1000) return reason
  throw new UsageError(`A reason can have at most 1000 characters, not ${reason.length}.`)
}

/** What flags say about subjects. */
export function writtenSubjects({source, leg}: SubjectFlags): WrittenSubjects {
  return {sources: source, addresses: leg}
}

interface RouteFlags extends SubjectFlags {
  readonly reason?: string | undefined
  readonly 'dry-run': boolean
  readonly revision?: number | undefined
  readonly repair: boolean
  readonly allow?: readonly string[] | undefined
  readonly driver?: DriverName | 'print' | undefined
  readonly output?: RenderFormat | undefined
  readonly share?: boolean
}

interface SubjectFlags {
  readonly source?: readonly string[] | undefined
  readonly leg?: readonly string[] | undefined
}

interface HeldFlags {
  readonly for?: number | undefined
  readonly step?: readonly number[] | undefined
}

/** A command that reads or changes routes. */
export abstract class RoutesCommand<Result extends object> extends LatticeCommand<Result> {
  #services: ReturnType<typeof servicesPlace> | undefined

  /** Tells of records that nobody can read; what they say may be live all the same. */
  protected async tellUnreadable(routes: Routes): Promise<{readonly unreadable?: readonly string[]}> {
    const unreadable = await routes.unreadable()
    for (const key of unreadable) {
      this.warn(`The route record '${key}' fits no known schema, so its route is not among these.`)
    }
    return unreadable.length === 0 ? {} : {unreadable}
  }

  protected override routeAccess(flags: Parameters<typeof routeAccess>[0] & HeldFlags): RouteAccess {
    // A command that opens its routes anew tells of the file once.
    const services = (this.#services ??= servicesPlace(flags.services, (text) => this.note(text)))
    const access = {...routeAccess(flags), services}
    if (access.applyWith === undefined) return access
    // Who holds a route puts it back on Ctrl-C, and has to know what is live for that.
    const held = flags.for !== undefined || flags.step !== undefined
    return {
      ...access,
      rollout: {
        report: (event) => this.note(rolloutLine(event)),
        ...(held ? {} : {signal: () => this.signal()}),
      },
    }
  }
}

/** A command that changes a route: what it did, what it inferred, and what is worth a warning. */
export abstract class RouteCommand<Result extends object = RouteChange> extends RoutesCommand<Result> {
  readonly #warned = new Set<string>()

  /** Shows a change; what a script should write out is told where scripts run. */
  protected report(done: RouteChange): RouteChange {
    const change = {
      ...done,
      ...(done.undo === undefined ? {} : {undo: this.line(done.undo)}),
      ...(done.inferred === undefined ? {} : {inferred: this.line(done.inferred)}),
    }
    if (change.inferred !== undefined && isCi(process.env['CI'])) this.note(`In full: ${change.inferred}`)
    for (const warning of change.warnings ?? []) this.#warnOnce(warning)
    if (change.printed === undefined) this.log(routeChangeView(change, {terminal: this.terminal}))
    else this.logBytes(new TextEncoder().encode(change.printed))
    // What is not live yet is never done.
    if (change.state === 'rendered') endWith('partial')
    return change
  }

  /** Routes that change together share some warnings. */
  #warnOnce(warning: string): void {
    if (this.#warned.has(warning)) return
    this.#warned.add(warning)
    this.warn(warning)
  }
}

function withoutVersion(text: string): EntityRef {
  const {version, ...ref} = parseRef(text)
  if (version === undefined) return ref
  throw new UsageError(`${JSON.stringify(text)} names a version, and an entity is wanted here.`, {
    suggestions: [formatRef(ref)],
  })
}
