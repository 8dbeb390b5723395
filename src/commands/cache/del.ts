import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {changeWithoutSecrets, type CacheChange} from '../../lib/cache/change.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {bucketFlag, expectedRevisionFlag, recordKeyArg, recordKindArg} from '../../lib/cli/record-args.js'
import {cacheChangeView} from '../../lib/output/cache.js'

export default class CacheDel extends LatticeCommand<CacheChange> {
  static override summary = 'Delete one record of the lattice cache, by compare-and-set.'

  static override description =
    'A record that a running entity, a link, a route or a reference needs is not deleted: all of them are listed.'

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
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      options: ['in-use'],
      default: [],
      summary: 'Allow one thing that is refused otherwise; "in-use": delete what hosts or other records need.',
    }),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<CacheChange> {
    const {args, flags} = await this.parse(CacheDel)
    await using lattice = await this.openToChange(flags)

    const {revision, bucket, allow, 'dry-run': dryRun} = flags
    const change = await (
      await lattice.cache()
    ).del(args.kind, args.key, {
      revision,
      bucket,
      dryRun,
      allowInUse: allow.includes('in-use'),
      askHosts: async () => (await import('../../lib/entities/running.js')).whatRuns(await lattice.control()),
    })

    const shown = changeWithoutSecrets(change)
    this.log(cacheChangeView(shown))
    return shown
  }
}
