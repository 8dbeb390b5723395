import * as Flags from '@oclif/core/flags'

import {auditCache, type AuditReport} from '../../lib/audit/audit.js'
import {rules, type Rule} from '../../lib/audit/finding.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {recordKindFlag} from '../../lib/cli/record-args.js'
import {auditSummary, auditView} from '../../lib/output/audit.js'

const ruleFlag = Flags.custom<Rule>({options: [...rules], parse: (text) => Promise.resolve(text as Rule)})

export default class CacheVerify extends LatticeCommand<AuditReport> {
  static override summary = 'Check every record against its kind and against the others.'

  static override description = 'Each finding comes with the lines that repair it. Nothing is changed.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --kind link --exit-code',
    '<%= config.bin %> <%= command.id %> --ignore claims-unused --json',
  ]

  static override flags = {
    kind: recordKindFlag({summary: 'Only findings about records of this kind.'}),
    ignore: ruleFlag({
      multiple: true,
      multipleNonGreedy: true,
      summary: 'Leave these findings out; repeatable.',
    }),
    'exit-code': Flags.boolean({default: false, summary: 'Exit with 20 when something was found.'}),
  }

  async run(): Promise<AuditReport> {
    const {flags} = await this.parse(CacheVerify)
    await using lattice = await this.open(flags)

    const [cache, control] = await Promise.all([lattice.cache(), lattice.control()])
    const {kind, ignore} = flags
    const line = (words: readonly string[]): string => this.line(cache.line(words))
    const report = await auditCache(cache, control, {kind, ignore, line})

    this.log(auditView(report, {terminal: this.terminal}))
    if (!this.jsonEnabled()) this.note(auditSummary(report))
    if (flags['exit-code'] && !report.clean) endWith('differs')
    return report
  }
}
