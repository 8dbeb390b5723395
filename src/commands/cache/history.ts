import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {keepMoreLine, readHistory, type RecordHistory} from '../../lib/cache/history.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {bucketFlag, recordKeyArg, recordKindArg} from '../../lib/cli/record-args.js'
import {cacheHistoryView} from '../../lib/output/cache-history.js'

export default class CacheHistory extends LatticeCommand<RecordHistory> {
  static override summary = 'Show the stored revisions of one record, and what each changed.'

  static override description =
    'The newest comes first. How far back it goes is up to the bucket: hosts make theirs with one revision of a key, lattice with 64.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> claims echo@1.2.0',
    '<%= config.bin %> <%= command.id %> config http-8000 --limit 5',
    '<%= config.bin %> <%= command.id %> link echo/wasmcloud:httpserver --json',
  ]

  static override args = {
    kind: recordKindArg({required: true}),
    key: Args.string(recordKeyArg),
  }

  static override flags = {
    limit: Flags.integer({min: 1, helpValue: 'N', summary: 'Only the newest N revisions.'}),
    raw: Flags.boolean({summary: 'Show secrets as they are.', default: false}),
    bucket: bucketFlag,
  }

  async run(): Promise<RecordHistory> {
    const {args, flags} = await this.parse(CacheHistory)
    await using lattice = await this.open(flags)

    const cache = await lattice.cache()
    const target = {kind: args.kind, key: args.key, bucket: flags.bucket, words: ['cache', 'history']}
    const history = await readHistory(cache, target, flags)

    if (history.keeps === 1) {
      this.note(`The bucket '${history.bucket}' keeps one revision of a key. To keep more:`)
      this.note(`  ${this.line(keepMoreLine(cache))}`)
    }
    this.log(cacheHistoryView(history, {terminal: this.terminal, now: new Date(this.clock.now())}))
    return history
  }
}
