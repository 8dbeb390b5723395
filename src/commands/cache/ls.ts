import {withoutSecrets, type CacheEntry} from '../../lib/cache/entry.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {recordKindFlag} from '../../lib/cli/record-args.js'
import {cacheEntriesView} from '../../lib/output/cache.js'

interface RecordList {
  readonly lattice: string
  readonly records: readonly CacheEntry[]
}

export default class CacheLs extends LatticeCommand<RecordList> {
  static override summary = 'List the records of the lattice cache.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --kind link',
    '<%= config.bin %> <%= command.id %> --kind claims --json',
  ]

  static override flags = {
    kind: recordKindFlag({summary: 'Only records of this kind.'}),
  }

  async run(): Promise<RecordList> {
    const {flags} = await this.parse(CacheLs)
    await using lattice = await this.open(flags)

    const entries = (await (await lattice.cache()).list(flags.kind)).map(withoutSecrets)

    if (entries.length === 0) this.noteEmpty(lattice)
    this.log(cacheEntriesView(entries, {terminal: this.terminal, now: new Date(this.clock.now())}))
    return {lattice: lattice.name, records: entries}
  }
}
