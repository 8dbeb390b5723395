import * as Flags from '@oclif/core/flags'

import {migrateLegacy, type MigrateResult} from '../../lib/cache/migrate.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {migrateSummary, migrateView} from '../../lib/output/migrate.js'

export default class CacheMigrate extends LatticeCommand<MigrateResult> {
  static override summary = 'Take the records of hosts up to 0.59 from their stream into the bucket.'

  static override description =
    'The whole stream goes into a backup file first. What the bucket has already wins. Refused while such a host answers.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --dry-run',
    '<%= config.bin %> <%= command.id %> --backup before.jsonl --json',
  ]

  static override flags = {
    backup: Flags.string({
      helpValue: 'FILE',
      summary: 'New file for the stream as it was; default LATTICECACHE_<lattice>-<time>.jsonl.',
    }),
    'keep-stream': Flags.boolean({
      default: false,
      summary: 'Do not delete the stream; a host from 0.60 on would take it over again.',
    }),
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      options: ['lose-records'],
      summary: 'Allow one thing that is refused otherwise; "lose-records": delete what cannot be read.',
    }),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<MigrateResult> {
    const {flags} = await this.parse(CacheMigrate)
    await using lattice = await this.openToChange(flags)

    const result = await migrateLegacy(await lattice.cache(), {
      hosts: async () => (await lattice.control()).hosts(),
      backup: flags.backup,
      keepStream: flags['keep-stream'],
      allowLoss: flags.allow?.includes('lose-records'),
      dryRun: flags['dry-run'],
      clock: this.clock,
    })

    this.log(migrateView(result, {terminal: this.terminal}))
    if (!this.jsonEnabled()) this.note(migrateSummary(result))
    return result
  }
}
