import {LocalCommand} from '../lib/cli/command.js'
import {latticeFlag} from '../lib/cli/flags.js'
import {statusView} from '../lib/output/embedded.js'
import {embeddedStatus, type StatusResult} from '../lib/server/status.js'

export default class Status extends LocalCommand<StatusResult> {
  static override summary = 'Show whether the lattice of lattice up runs and answers.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --name try --json',
  ]

  static override flags = {
    name: latticeFlag({default: 'default', summary: 'Name of the lattice.'}),
  }

  async run(): Promise<StatusResult> {
    const {flags} = await this.parse(Status)

    const status = await embeddedStatus(flags.name)

    this.log(statusView(status))
    return status
  }
}
