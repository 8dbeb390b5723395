import {entityRefArg} from '../lib/cli/args.js'
import {removeFlags} from '../lib/cli/change-flags.js'
import {LatticeCommand} from '../lib/cli/command.js'
import {versionFlag} from '../lib/cli/flags.js'
import {stopEntity, type ScaleResult} from '../lib/entities/scale.js'
import {withVersion} from '../lib/entity/entity.js'
import {scaleView} from '../lib/output/entity.js'

export default class Stop extends LatticeCommand<ScaleResult> {
  static override summary = 'Stop one version of an entity.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo@1.0.0',
    '<%= config.bin %> <%= command.id %> echo --all-versions --dry-run',
    '<%= config.bin %> <%= command.id %> echo@1.0.0 --json',
  ]

  static override args = {
    entity: entityRefArg({required: true, description: 'Entity, such as echo@1.0.0; a provider as name/link.'}),
  }

  static override flags = {
    version: versionFlag({summary: 'Version to stop; needed when several run.'}),
    ...removeFlags,
  }

  async run(): Promise<ScaleResult> {
    const {args, flags} = await this.parse(Stop)
    const ref = withVersion(args.entity, flags.version)
    await using lattice = await this.openToChange(flags)

    const result = await stopEntity(await lattice.control(), ref, this.changeOptions(lattice, flags))

    this.log(scaleView(result, (text) => this.line(text)))
    return result
  }
}
