import {readStats, type CacheStats} from '../../lib/cache/stats.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {cacheStatsView} from '../../lib/output/cache-stats.js'

export default class CacheStatsCommand extends LatticeCommand<CacheStats> {
  static override summary = 'Count the records by kind, and show how their buckets are made and kept.'

  static override description =
    'LAG says how many operations each copy is behind its leader. Values are not read, so that large lattices are counted fast.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<CacheStats> {
    const {flags} = await this.parse(CacheStatsCommand)
    await using lattice = await this.open(flags)

    const stats = await readStats(await lattice.cache())

    if (stats.kinds.length === 0) this.noteEmpty(lattice)
    for (const bucket of stats.unreadable ?? []) this.note(`The bucket '${bucket}' is left out: it may not be read.`)
    this.log(cacheStatsView(stats, {terminal: this.terminal}))
    return stats
  }
}
