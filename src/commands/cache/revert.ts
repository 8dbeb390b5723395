import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {changeWithoutSecrets, type CacheChange} from '../../lib/cache/change.js'
import {revertRecord} from '../../lib/cache/revert.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {bucketFlag, expectedRevisionFlag, recordKeyArg, recordKindArg, validateFlag} from '../../lib/cli/record-args.js'
import {cacheChangeView, changeWarnings} from '../../lib/output/cache.js'

export default class CacheRevert extends LatticeCommand<CacheChange> {
  static override summary = 'Write the value of an older revision again, by compare-and-set.'

  static override description =
    'A deleted record comes back too. How far back it goes is up to the bucket: see cache history.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> claims echo@1.2.0 --to 17',
    '<%= config.bin %> <%= command.id %> link echo/wasmcloud:httpserver --to 17 --dry-run',
    '<%= config.bin %> <%= command.id %> key notes --to 17 --revision 19 --json',
  ]

  static override args = {
    kind: recordKindArg({required: true}),
    key: Args.string(recordKeyArg),
  }

  static override flags = {
    to: Flags.integer({min: 1, required: true, helpValue: 'N', summary: 'The revision whose value is wanted.'}),
    revision: expectedRevisionFlag,
    validate: validateFlag,
    bucket: bucketFlag,
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<CacheChange> {
    const {args, flags} = await this.parse(CacheRevert)
    await using lattice = await (flags.validate ? this.open(flags) : this.openToChange(flags))

    const {to, revision, validate, bucket, 'dry-run': dryRun} = flags
    const change = await revertRecord(await lattice.cache(), args, {to, revision, validate, bucket, dryRun})

    const shown = changeWithoutSecrets(change)
    for (const warning of changeWarnings(shown)) this.note(warning)
    this.log(cacheChangeView(shown))
    return shown
  }
}
