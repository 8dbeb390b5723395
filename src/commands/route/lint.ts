import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {serverVersionFlag} from '../../lib/cli/server-version.js'
import {fileForms, lintFile, type FileForm} from '../../lib/lint/file.js'
import {lintReport, type LintReport} from '../../lib/lint/report.js'
import {lintSummary, lintView} from '../../lib/output/lint.js'

export default class RouteLint extends LatticeCommand<LintReport> {
  static override summary = 'Find what is wrong with subject mappings, in files or in the live account.'

  static override description =
    'Files are server configurations, account tokens, lines for nsc or lists of mappings, and nothing is connected to. Each finding comes with its rule, why it matters and what to do.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> nats.conf --server-version 2.10',
    '<%= config.bin %> <%= command.id %> SHOP.jwt --exit-code',
    '<%= config.bin %> <%= command.id %> nats.conf SHOP.jwt --json',
  ]

  static override args = {
    files: Args.string({ignoreStdin: true, multiple: true, required: true, description: 'Files; - for stdin.'}),
  }

  static override flags = {
    'server-version': serverVersionFlag({summary: 'Lowest version of the servers; default: any.'}),
    form: Flags.custom<FileForm>({options: [...fileForms]})({
      summary: 'What the files hold; default: told from the text.',
    }),
    'exit-code': Flags.boolean({default: false, summary: 'Exit with 20 when something was found.'}),
  }

  async run(): Promise<LintReport> {
    const {args, flags} = await this.parse(RouteLint)
    const {form: fileForm, 'server-version': serverVersion} = flags
    const options = {fileForm, serverVersion, now: this.clock.now()}

    const targets = await Promise.all(args.files.map((file) => lintFile(file, options)))
    const report = lintReport(targets.flat(), serverVersion)

    this.log(lintView(report, {terminal: this.terminal}))
    if (!this.jsonEnabled()) this.note(lintSummary(report))
    if (flags['exit-code'] && !report.clean) endWith('differs')
    return report
  }
}
