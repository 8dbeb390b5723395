import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {withoutSecrets, type CacheEntry} from '../../lib/cache/entry.js'
import {entryOrders, selectEntries} from '../../lib/cache/select.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {columnsFlag, momentFlag} from '../../lib/cli/list-flags.js'
import {recordKindFlag} from '../../lib/cli/record-args.js'
import {momentMs} from '../../lib/moment.js'
import {cacheEntriesView} from '../../lib/output/cache-list.js'

interface RecordList {
  readonly lattice: string
  readonly records: readonly CacheEntry[]
  /** Buckets that this user may not read, so that records may be missing. */
  readonly unreadable?: readonly string[]
}

export default class CacheLs extends LatticeCommand<RecordList> {
  static override summary = 'List the records of the lattice cache.'

  static override description =
    'Records are all listed, also those that no host could read; their problem is said. Secrets are shown as "set".'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> 'echo*' --kind claims --sort time",
    '<%= config.bin %> <%= command.id %> --since 2h --columns kind,key,time,value',
    '<%= config.bin %> <%= command.id %> --kind link --json',
  ]

  static override args = {
    name: Args.string({
      ignoreStdin: true,
      description: "Only records whose key or name fits; * stands for any text and ? for a character: 'echo*'.",
    }),
  }

  static override flags = {
    kind: recordKindFlag({summary: 'Only records of this kind.'}),
    since: momentFlag({summary: 'Only records written since, such as 2h, 7d or 2026-02-04T19:05:00Z.'}),
    sort: Flags.option({options: entryOrders})({
      summary: 'Order, the newest or largest first; default by kind, then name.',
    }),
    columns: columnsFlag({summary: 'Columns to show, such as kind,key,size,value.'}),
  }

  async run(): Promise<RecordList> {
    const {args, flags} = await this.parse(CacheLs)
    await using lattice = await this.open(flags)

    const now = this.clock.now()
    const unreadable: string[] = []
    const all = await (
      await lattice.cache()
    ).list(flags.kind, {
      unreadable: (bucket, {message}) => {
        unreadable.push(bucket)
        this.note(`The bucket '${bucket}' is left out: ${message}`)
      },
    })
    const sinceMs = flags.since === undefined ? undefined : momentMs(flags.since, now)
    const records = selectEntries(all, {name: args.name, sinceMs, sort: flags.sort}).map(withoutSecrets)

    if (all.length === 0) this.noteEmpty(lattice)
    this.log(cacheEntriesView(records, {terminal: this.terminal, now: new Date(now), columns: flags.columns}))
    return {lattice: lattice.name, records, ...(unreadable.length === 0 ? {} : {unreadable: unreadable.sort()})}
  }
}
