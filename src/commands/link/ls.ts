import {listLinks, type StoredLink} from '../../lib/cache/links.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {linksView} from '../../lib/output/link.js'

interface LinkList {
  readonly lattice: string
  readonly links: readonly StoredLink[]
}

export default class LinkLs extends LatticeCommand<LinkList> {
  static override summary = 'List the links; values that look like secrets are shown as "set".'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<LinkList> {
    const {flags} = await this.parse(LinkLs)
    await using lattice = await this.open(flags)

    const links = await listLinks(await lattice.cache())

    if (links.length === 0) this.noteEmpty(lattice)
    this.log(linksView(links, {terminal: this.terminal}))
    return {lattice: lattice.name, links}
  }
}
