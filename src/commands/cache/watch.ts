import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {withoutSecrets} from '../../lib/cache/entry.js'
import {watchSelection} from '../../lib/cache/watch-places.js'
import {watchRecords, type WatchEvent} from '../../lib/cache/watch-records.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {bucketFlag, recordKeyArg, recordKindArg, recordKindFlag} from '../../lib/cli/record-args.js'
import {watchedRecordLine, watchStateLine} from '../../lib/output/watch.js'

interface WatchedRecords {
  readonly lattice: string
  readonly records: number
}

export default class CacheWatch extends LatticeCommand<WatchedRecords> {
  static override summary = 'Show the records of the lattice cache and then every change, until Ctrl-C.'

  static override description =
    'It says "stale" within two seconds when it no longer knows that what it showed is so, and "current" when it does; restarts, partitions and buckets that are made anew leave no gap. With --json it prints one document a line.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> claims echo',
    "<%= config.bin %> <%= command.id %> --kind link --key '*/wasmcloud:httpserver/*'",
    '<%= config.bin %> <%= command.id %> --json',
  ]

  static override args = {
    kind: recordKindArg({description: 'Kind of records; all without it.'}),
    key: Args.string({...recordKeyArg, required: false}),
  }

  static override flags = {
    kind: recordKindFlag({summary: 'Only records of this kind.'}),
    key: Flags.string({
      helpValue: 'PATTERN',
      summary: "Only records whose key or name fits; * stands for any text and ? for a character: 'echo*'.",
    }),
    raw: Flags.boolean({summary: 'Show secrets.', default: false}),
    bucket: bucketFlag,
  }

  #state: 'current' | 'stale' | undefined

  async run(): Promise<WatchedRecords> {
    const {args, flags} = await this.parse(CacheWatch)
    const selection = watchSelection(args, flags)
    const unread = new AbortController()
    const signal = this.signal()
    await using lattice = await this.open(flags, {reconnect: 'forever'})

    const records = await watchRecords(await lattice.cache(), selection, {
      signal: AbortSignal.any([signal, unread.signal]),
      now: () => this.clock.now(),
      report: async (event) => {
        this.#tell(event.event === 'put' && !flags.raw ? withoutSecrets(event) : event)
        if (!(await this.drained())) unread.abort()
      },
    })

    if (signal.aborted) endWith('interrupted')
    return {lattice: lattice.name, records}
  }

  #tell(event: WatchEvent): void {
    if (this.jsonEnabled()) this.logLine(event)
    else if (event.event === 'put' || event.event === 'del')
      this.log(watchedRecordLine(event, {terminal: this.terminal}))
    else {
      const line = watchStateLine(event, this.#state)
      if (line !== undefined) this.note(line)
      if (event.event !== 'unreadable') this.#state = event.event
    }
  }

  protected override get jsonForm(): 'line' | false {
    return this.jsonEnabled() && 'line'
  }

  /** Everything was told already, a line each. */
  protected override logJson(): void {
    return
  }
}
