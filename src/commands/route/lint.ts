import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {accessFlags} from '../../lib/cli/access-flags.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {RoutesCommand} from '../../lib/cli/route-command.js'
import {serverVersionFlag} from '../../lib/cli/server-version.js'
import {servicesPlace} from '../../lib/cli/services-flag.js'
import {fileForms, lintFiles, type FileForm} from '../../lib/lint/file.js'
import {lintServicesFiles} from '../../lib/lint/services.js'
import {lintSummary, lintView} from '../../lib/output/lint.js'
import {lintReport, type LintReport} from '../../lib/routing/lint-report.js'

export default class RouteLint extends RoutesCommand<LintReport> {
  static override summary = 'Find what is wrong with subject mappings, in files or in the live account.'

  static override description =
    'Files are server configurations, account tokens, lines for nsc, lists of mappings or declared services, and nothing is connected to. Without a file, the live account: what lattice did not map there is only counted. Each finding comes with its rule, why it matters and what to do.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> nats.conf --server-version 2.10',
    '<%= config.bin %> <%= command.id %> SHOP.jwt --exit-code',
    '<%= config.bin %> <%= command.id %> nats.conf SHOP.jwt --json',
    '<%= config.bin %> <%= command.id %> --services --exit-code',
    '<%= config.bin %> <%= command.id %> --context prod',
  ]

  static override args = {
    files: Args.string({
      ignoreStdin: true,
      multiple: true,
      description: 'Files; - for stdin. Default: the live account.',
    }),
  }

  static override flags = {
    ...accessFlags,
    services: Flags.boolean({
      default: false,
      summary: "The files declare services; without one, that of LATTICE_SERVICES or the repository's root.",
    }),
    'server-version': serverVersionFlag({summary: 'Lowest version of the servers; default: any.'}),
    form: Flags.custom<FileForm>({options: [...fileForms]})({
      summary: 'What the files hold; default: told from the text.',
    }),
    'exit-code': Flags.boolean({default: false, summary: 'Exit with 20 when something was found.'}),
  }

  async run(): Promise<LintReport> {
    const {args, flags} = await this.parse(RouteLint)
    const {form: fileForm, 'server-version': serverVersion, services, ...live} = flags
    const files = args.files as readonly string[] | undefined
    const report = await (services
      ? lintServicesFiles(
          files,
          servicesPlace(undefined, (text) => this.note(text)),
        )
      : files === undefined
        ? this.lintLive({...live, 'server-version': serverVersion})
        : lintFiles(files, {fileForm, serverVersion, now: this.clock.now()}))

    this.log(lintView(report, {terminal: this.terminal}))
    if (!this.jsonEnabled()) this.note(lintSummary(report))
    if (flags['exit-code'] && !report.clean) endWith('differs')
    return report
  }

  private async lintLive(
    flags: Parameters<typeof this.open>[0] & {'server-version'?: string | undefined},
  ): Promise<LintReport> {
    await using lattice = await this.open(flags)
    const {target, serverVersion} = await (await lattice.routes()).lint({serverVersion: flags['server-version']})
    return lintReport([target], serverVersion)
  }
}
