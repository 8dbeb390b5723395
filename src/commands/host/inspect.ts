import * as Args from '@oclif/core/args'

import {LatticeCommand} from '../../lib/cli/command.js'
import {inspectHost} from '../../lib/entities/hosts.js'
import type {HostInventory} from '../../lib/control/dialect.js'
import {hostView} from '../../lib/output/host.js'

export default class HostInspect extends LatticeCommand<HostInventory> {
  static override summary = 'Show one host and all that runs on it.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> NA455AFPUKNW --json',
  ]

  static override args = {
    host: Args.string({
      ignoreStdin: true,
      description: 'Host id, unique start of it, or name; the only host when left out.',
    }),
  }

  async run(): Promise<HostInventory> {
    const {args, flags} = await this.parse(HostInspect)
    await using lattice = await this.open(flags)

    const inventory = await inspectHost(await lattice.control(), args.host)

    this.log(hostView(inventory, {terminal: this.terminal}))
    return inventory
  }
}
