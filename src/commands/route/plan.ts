import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {endWith} from '../../lib/cli/exit-code.js'
import {versionFlag} from '../../lib/cli/flags.js'
import {
  allowFlag,
  changeOptions,
  repairFlag,
  RouteCommand,
  subjectFlags,
  unversionedRefFlag,
  versionsFlag,
} from '../../lib/cli/route-command.js'
import {UsageError} from '../../lib/errors.js'
import type {RouteChange} from '../../lib/routes/result.js'
import type {RoutePlan} from '../../lib/routes/text/plan-file.js'

interface Planned {
  readonly lattice: string
  readonly changed: boolean
  /** Where the plan was written. */
  readonly file?: string
  readonly plan: RoutePlan
}

export default class RoutePlanCommand extends RouteCommand<Planned> {
  static override summary = 'Show what a change of routes would come to, and write it down for `route apply`.'

  static override description =
    'Needs no operator key. The plan holds our own mappings, digests and revisions, and is refused when it is applied to anything else than what it was made for.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo@1.0.0=70 echo@2.0.0=30 -o plan.json',
    '<%= config.bin %> <%= command.id %> -f routes.yaml -o plan.json --exit-code',
    '<%= config.bin %> <%= command.id %> --entity echo --to 2.0.0 --json',
  ]

  static override args = {
    legs: Args.string({
      ignoreStdin: true,
      multiple: true,
      description: 'Whole percents such as 70/30, or one NAME@VERSION=PERCENT a leg.',
    }),
  }

  static override flags = {
    file: Flags.string({char: 'f', helpValue: 'FILE', summary: 'Routes as YAML or JSON; - for standard input.'}),
    to: versionFlag({summary: 'Version that gets all traffic.'}),
    entity: unversionedRefFlag({summary: 'Entity, where it is not the only one.'}),
    versions: versionsFlag({summary: 'Versions, in the order of the weights.'}),
    ...subjectFlags,
    repair: repairFlag,
    allow: allowFlag,
    reason: Flags.string({helpValue: 'TEXT', summary: 'Why, for the record.'}),
    out: Flags.string({char: 'o', helpValue: 'FILE', summary: 'Write the plan to this file.'}),
    'exit-code': Flags.boolean({default: false, summary: 'Exit with 20 when something would change.'}),
  }

  async run(): Promise<Planned> {
    const {args, flags} = await this.parse(RoutePlanCommand)
    const legs = (args.legs as readonly string[] | undefined) ?? []
    const ways = [legs.length > 0, flags.file !== undefined, flags.to !== undefined].filter(Boolean).length
    if (ways !== 1) {
      throw new UsageError('A plan is made of legs, of --file or of --to, and of one of them only.', {
        suggestions: ['lattice route plan 70/30 -o plan.json', 'lattice route plan -f routes.yaml -o plan.json'],
      })
    }
    const {parseManifest} = await import('../../lib/routes/text/manifest.js')
    const {planOf} = await import('../../lib/routes/text/plan-file.js')
    const {parseSplit} = await import('../../lib/routing/weights.js')
    const asked = flags.file === undefined ? [] : await parseManifest(await readRoutes(flags.file))
    const split = legs.length === 0 ? undefined : parseSplit(legs)
    const options = {...changeOptions({...flags, 'dry-run': true}), dryRun: true}
    await using lattice = await this.open(flags)
    const routes = await lattice.routes()

    const changes: readonly RouteChange[] =
      split !== undefined
        ? [await routes.split(split, {...options, entity: flags.entity, versions: flags.versions})]
        : flags.to !== undefined
          ? [await routes.cutOver(flags.to, {...options, entity: flags.entity})]
          : await routes.changeMany(asked, options)
    const plan = planOf(lattice.name, changes, {now: new Date(this.clock.now()), allow: flags.allow})
    const changed = changes.some((change) => change.changed)
    if (flags.out !== undefined) await writePlan(flags.out, plan)

    for (const change of changes) this.report(change)
    if (flags.out !== undefined && changed) this.note(`Apply it: ${this.line(`lattice route apply ${flags.out}`)}`)
    if (changed && flags['exit-code']) endWith('differs')
    return {lattice: lattice.name, changed, ...(flags.out === undefined ? {} : {file: flags.out}), plan}
  }
}

async function readRoutes(file: string): Promise<string> {
  const {readInput} = await import('../../lib/files/read-input.js')
  return readInput(file, 'routes')
}

async function writePlan(file: string, plan: RoutePlan): Promise<void> {
  const {writeFileAtomic} = await import('../../lib/files/write-file.js')
  await writeFileAtomic(file, `${JSON.stringify(plan, undefined, 2)}\n`, {mode: 0o644})
}
