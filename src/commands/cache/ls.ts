import {withoutSecrets, type CacheEntry} from '../../lib/cache/entry.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {recordKindFlag} from '../../lib/cli/record-args.js'
import {cacheEntriesView} from '../../lib/output/cache.js'

export default class CacheLs extends LatticeCommand<CacheEntry[]> {
  static override summary = 'List the records of the lattice cache.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --kind link',
    '<%= config.bin %> <%= command.id %> --kind claims --json',
  ]

  static override flags = {
    kind: recordKindFlag({summary: 'Only records of this kind.'}),
  }

  async run(): Promise<CacheEntry[]> {
    const {flags} = await this.parse(CacheLs)
    await using lattice = await this.open(flags)

    const entries = (await (await lattice.cache()).list(flags.kind)).map(withoutSecrets)

    this.log(cacheEntriesView(entries, {terminal: this.terminal, now: new Date(this.clock.now())}))
    return entries
  }
}
