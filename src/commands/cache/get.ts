import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {withoutSecrets, type CacheEntry} from '../../lib/cache/entry.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {bucketFlag, recordKeyArg, recordKindArg} from '../../lib/cli/record-args.js'
import {cacheEntryView} from '../../lib/output/cache.js'

export default class CacheGet extends LatticeCommand<CacheEntry> {
  static override summary = 'Show one record of the lattice cache.'

  static override description =
    'Values that look like secrets are shown as "set"; --raw shows them, and without --json gives the exact bytes.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> claims echo@1.2.0',
    '<%= config.bin %> <%= command.id %> link echo/wasmcloud:httpserver/default --raw',
    '<%= config.bin %> <%= command.id %> claims echo@1.2.0 --revision 17 --json',
  ]

  static override args = {
    kind: recordKindArg({required: true}),
    key: Args.string(recordKeyArg),
  }

  static override flags = {
    revision: Flags.integer({min: 1, helpValue: 'N', summary: 'Show this revision, not the latest.'}),
    raw: Flags.boolean({summary: 'Show the exact bytes, secrets included.', default: false}),
    bucket: bucketFlag,
  }

  async run(): Promise<CacheEntry> {
    const {args, flags} = await this.parse(CacheGet)
    await using lattice = await this.open(flags)

    const {entry, bytes} = await (await lattice.cache()).read(args.kind, args.key, flags)

    const shown = flags.raw ? entry : withoutSecrets(entry)
    if (flags.raw) this.logBytes(bytes)
    else this.log(cacheEntryView(shown, new Date(this.clock.now())))
    return shown
  }
}
