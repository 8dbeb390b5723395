import * as Args from '@oclif/core/args'

import {LocalCommand} from '../../lib/cli/command.js'
import {inspectModuleFile, type ModuleReport} from '../../lib/wasm/module-file.js'
import {moduleView} from '../../lib/output/module.js'

export default class ClaimsInspect extends LocalCommand<ModuleReport> {
  static override summary = 'Show what a wasm module claims, and exit 9 if that does not hold.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo_signed.wasm',
    '<%= config.bin %> <%= command.id %> echo_signed.wasm --json',
  ]

  static override args = {
    file: Args.string({ignoreStdin: true, required: true, description: 'The signed wasm module.'}),
  }

  async run(): Promise<ModuleReport> {
    const {args} = await this.parse(ClaimsInspect)

    const {report, failure} = await inspectModuleFile(args.file, this.clock.now())

    this.log(moduleView(report))
    if (failure !== undefined) throw failure
    return report
  }
}
