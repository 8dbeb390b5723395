import * as Flags from '@oclif/core/flags'

import {entityRefArg} from '../lib/cli/args.js'
import {removeFlags} from '../lib/cli/change-flags.js'
import {LatticeCommand} from '../lib/cli/command.js'
import {versionFlag} from '../lib/cli/flags.js'
import {scaleEntity, type ScaleResult} from '../lib/entities/scale.js'
import {withVersion} from '../lib/entity/entity.js'
import {scaleView} from '../lib/output/entity.js'

export default class Scale extends LatticeCommand<ScaleResult> {
  static override summary = 'Set how many calls one version serves at once on each host where it runs.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo --version 2.0.0 --count 8',
    '<%= config.bin %> <%= command.id %> echo@1.0.0 --count 0 --dry-run',
    '<%= config.bin %> <%= command.id %> echo --version 2.0.0 --count 8 --json',
  ]

  static override args = {
    entity: entityRefArg({required: true, description: 'Entity, such as echo or echo@2.0.0.'}),
  }

  static override flags = {
    version: versionFlag({summary: 'Version to scale; needed when several run.'}),
    count: Flags.integer({
      required: true,
      min: 0,
      max: 100_000,
      summary: 'Greatest number of concurrent calls; 0 stops the version.',
    }),
    share: Flags.boolean({default: false, summary: 'Let a dark version share the traffic of the entity.'}),
    ...removeFlags,
  }

  async run(): Promise<ScaleResult> {
    const {args, flags} = await this.parse(Scale)
    const ref = withVersion(args.entity, flags.version)
    await using lattice = await (flags.count === 0 ? this.openToChange(flags) : this.open(flags))

    const result = await scaleEntity(await lattice.control(), ref, {
      ...this.changeOptions(lattice, flags),
      count: flags.count,
      share: flags.share,
    })

    this.log(scaleView(result, (text) => this.line(text)))
    return result
  }
}
