import * as Args from '@oclif/core/args'

import {changeWithoutSecrets, type CacheChange} from '../../lib/cache/write.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {bucketFlag, expectedRevisionFlag, recordKeyArg, recordKindArg} from '../../lib/cli/record-args.js'
import {cacheChangeView} from '../../lib/output/cache.js'

export default class CacheDel extends LatticeCommand<CacheChange> {
  static override summary = 'Delete one record of the lattice cache, by compare-and-set.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> ref wasmcloud.azurecr.io/echo:0.3.4',
    '<%= config.bin %> <%= command.id %> claims echo@1.2.0 --dry-run',
    '<%= config.bin %> <%= command.id %> key notes --revision 17 --json',
  ]

  static override args = {
    kind: recordKindArg({required: true}),
    key: Args.string(recordKeyArg),
  }

  static override flags = {
    revision: expectedRevisionFlag,
    bucket: bucketFlag,
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<CacheChange> {
    const {args, flags} = await this.parse(CacheDel)
    await using lattice = await this.openToChange(flags)

    const {revision, bucket, 'dry-run': dryRun} = flags
    const change = await (await lattice.cache()).del(args.kind, args.key, {revision, bucket, dryRun})

    const shown = changeWithoutSecrets(change)
    this.log(cacheChangeView(shown))
    return shown
  }
}
