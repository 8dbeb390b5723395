import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {accessFlags} from '../../lib/cli/access-flags.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {allowFlag, changeOptions, repairFlag, RouteCommand, shareFlag} from '../../lib/cli/route-command.js'
import {UnsafeError, UsageError} from '../../lib/errors.js'
import {readInput} from '../../lib/files/read-input.js'
import type {RouteChange} from '../../lib/routes/result.js'
import type {AskedChange} from '../../lib/routes/text/many.js'

interface Applied {
  readonly lattice: string
  readonly changed: boolean
  readonly dryRun: boolean
  readonly routes: readonly RouteChange[]
}

export default class RouteApply extends RouteCommand<Applied> {
  static override summary = 'Make the routes of a plan or a file live, all of them in one step.'

  static override description =
    'A plan is computed anew and refused when the world has moved since, or when it would come to something else (exit code 5). Routes that the file does not name stay as they are.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> plan.json',
    '<%= config.bin %> <%= command.id %> -f routes.yaml --dry-run',
    '<%= config.bin %> <%= command.id %> -f routes.yaml --reason "release 2.1" --json',
  ]

  static override args = {
    plan: Args.string({ignoreStdin: true, description: 'A plan that `route plan -o` wrote; - for standard input.'}),
  }

  static override flags = {
    ...accessFlags,
    file: Flags.string({char: 'f', helpValue: 'FILE', summary: 'Routes as YAML or JSON; - for standard input.'}),
    reason: Flags.string({helpValue: 'TEXT', summary: 'Why, for the record.'}),
    'dry-run': dryRunFlag,
    confirm: confirmFlag,
    repair: repairFlag,
    share: shareFlag,
    allow: allowFlag,
  }

  async run(): Promise<Applied> {
    const {args, flags} = await this.parse(RouteApply)
    if ((args.plan === undefined) === (flags.file === undefined)) {
      throw new UsageError('Either a plan or --file says what is to be live.', {
        suggestions: ['lattice route apply plan.json', 'lattice route apply -f routes.yaml'],
      })
    }
    const {asked, allow, planned} = await readAsked(args.plan, flags.file)
    await using lattice = await this.openToChange(flags)
    if (planned !== undefined && planned !== lattice.name) {
      throw new UsageError(`The plan is for lattice '${planned}', and this is '${lattice.name}'.`, {
        suggestions: [`--lattice ${planned}`],
      })
    }

    const options = changeOptions(flags)
    requireAllowed(allow, flags.allow, this.line(`lattice route apply ${args.plan ?? ''}`))
    const routes = await (await lattice.routes()).changeMany(asked, options)

    const reported = routes.map((route) => this.report(route))
    return {
      lattice: lattice.name,
      changed: routes.some(({changed}) => changed),
      dryRun: options.dryRun ?? false,
      routes: reported,
    }
  }
}

/** Who wrote the plan must not switch rules off for who applies it. */
function requireAllowed(planned: readonly string[], given: readonly string[] = [], command: string): void {
  const missing = planned.filter((rule) => !given.includes(rule))
  if (missing.length === 0) return
  const words = planned.map((rule) => `--allow ${rule}`).join(' ')
  throw new UnsafeError(`The plan was made with ${words}, which whoever applies it has to say again.`, {
    suggestions: [`${command} ${words}`],
    details: {allow: planned},
  })
}

interface Asked {
  readonly asked: readonly AskedChange[]
  readonly allow: readonly string[]
  /** Lattice that a plan is for. */
  readonly planned?: string
}

async function readAsked(plan: string | undefined, file: string | undefined): Promise<Asked> {
  if (plan === undefined) {
    const {parseManifest} = await import('../../lib/routes/text/manifest.js')
    return {asked: await parseManifest(await readInput(file!, 'routes')), allow: []}
  }
  const {changesOfPlan, parsePlan} = await import('../../lib/routes/text/plan-file.js')
  const parsed = parsePlan(await readInput(plan, 'plan'))
  return {asked: changesOfPlan(parsed), allow: parsed.allow, planned: parsed.lattice}
}
