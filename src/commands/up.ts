import * as Flags from '@oclif/core/flags'

import {LocalCommand} from '../lib/cli/command.js'
import {dryRunFlag, latticeFlag} from '../lib/cli/flags.js'
import {embeddedEventView, upView} from '../lib/output/embedded.js'
import {planUp, upEmbedded, type UpOptions, type UpPlan, type UpResult} from '../lib/server/up.js'

export default class Up extends LocalCommand<UpResult | UpPlan> {
  static override summary = 'Bring up a lattice of your own: a NATS server and hosts on this machine.'

  static override description =
    'It stays up until lattice down; after a reboot, lattice up brings the same keys, data, port and hosts back.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --name try --ephemeral --port 0 --json',
    '<%= config.bin %> <%= command.id %> --hosts 3 --allow-files ./modules',
  ]

  static override flags = {
    name: latticeFlag({default: 'default', summary: 'Name of the lattice; its context is lattice-<name>.'}),
    port: Flags.integer({
      min: 0,
      max: 65_535,
      summary: 'Port of the server, 0 for any free one. Default: as before, else 4222 or any when that is taken.',
    }),
    hosts: Flags.integer({min: 1, max: 64, summary: 'How many hosts. Default: as before, else 1.'}),
    ephemeral: Flags.boolean({default: false, summary: 'Keep everything in a temp folder that down removes.'}),
    'store-dir': Flags.string({helpValue: 'DIR', summary: 'Empty folder for the data of JetStream.'}),
    'allow-files': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      default: [],
      helpValue: 'DIR',
      summary: 'Folder whose modules the hosts may open; repeatable.',
    }),
    'allowed-issuer': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      default: [],
      helpValue: 'KEY',
      summary: 'Account key whose modules the hosts accept besides the own ones; repeatable.',
    }),
    offline: Flags.boolean({default: false, summary: 'Never fetch nats-server (LATTICE_OFFLINE=1).'}),
    'dry-run': dryRunFlag,
  }

  async run(): Promise<UpResult | UpPlan> {
    const {flags} = await this.parse(Up)

    const options: UpOptions = {
      name: flags.name,
      port: flags.port,
      hosts: flags.hosts,
      storeDir: flags['store-dir'],
      ephemeral: flags.ephemeral,
      allowFiles: flags['allow-files'],
      allowedIssuers: flags['allowed-issuer'],
      offline: flags.offline,
      clock: this.clock,
      report: (event) => this.note(embeddedEventView(event)),
    }
    const up = await (flags['dry-run'] ? planUp(options) : upEmbedded(options))

    this.log(upView(up))
    return up
  }
}
