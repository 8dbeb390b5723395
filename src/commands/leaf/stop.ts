import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag, refuseOther} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {parseLeafName} from '../../lib/leaf/subjects.js'
import {stopLeaf, type LeafStopped} from '../../lib/leaf-server/stop.js'
import {leafStoppedView} from '../../lib/output/leaf.js'

const nameFlag = Flags.custom({helpValue: 'NAME', parse: (text) => Promise.resolve(parseLeafName(text))})

export default class LeafStop extends LatticeCommand<LeafStopped> {
  static override summary = 'End a leaf node of this machine.'

  static override description =
    'Its mappings are kept for the next start. One that splits for the whole account is ended only with --allow in-use: calls of what it splits get no answer then.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --name edge --json',
  ]

  static override flags = {
    name: nameFlag({default: 'default', summary: 'Name of the leaf node.'}),
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      default: [],
      options: ['in-use'],
      summary: 'End it in spite of this.',
    }),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<LeafStopped> {
    const {flags} = await this.parse(LeafStop)
    const spec = await this.spec(flags)
    refuseOther(spec.context, flags.confirm)
    if (spec.protected && spec.context !== undefined && !flags['dry-run']) {
      await this.confirmed(spec.context, flags.confirm)
    }

    const options = {allow: flags.allow, dryRun: flags['dry-run'], clock: this.clock}
    const stopped = await stopLeaf({lattice: spec.lattice, name: flags.name}, options)

    this.log(leafStoppedView(stopped))
    return stopped
  }
}
