import {LatticeCommand} from '../../lib/cli/command.js'
import {listHosts, type HostList} from '../../lib/entities/hosts.js'
import {hostsView} from '../../lib/output/host.js'

export default class HostLs extends LatticeCommand<HostList> {
  static override summary = 'List the hosts that answer.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<HostList> {
    const {flags} = await this.parse(HostLs)
    await using lattice = await this.open(flags)

    const list = await listHosts(await lattice.control())

    if (list.hosts.length === 0) this.noteEmpty(lattice)
    this.log(hostsView(list, {terminal: this.terminal}))
    return list
  }
}
