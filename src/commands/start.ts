import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {changeFlags} from '../lib/cli/change-flags.js'
import {LatticeCommand} from '../lib/cli/command.js'
import {linkNameFlag} from '../lib/cli/flags.js'
import {startArtifact, type StartResult} from '../lib/entities/start.js'
import {startView} from '../lib/output/entity.js'

export default class Start extends LatticeCommand<StartResult> {
  static override summary = 'Start an actor or a provider on a host.'

  static override description =
    'A second version of something that runs takes part of its traffic, so it is refused unless it starts --dark ' +
    '(a route gives it weight later) or is told to --share.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> examples/echo/build/echo-1.0.0.wasm',
    '<%= config.bin %> <%= command.id %> examples/echo/build/echo-2.0.0.wasm --dark',
    '<%= config.bin %> <%= command.id %> builtin:httpserver --json',
  ]

  static override args = {
    artifact: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'Path of a signed module, file:// reference or builtin:httpserver.',
    }),
  }

  static override flags = {
    count: Flags.integer({default: 10, min: 1, max: 100_000, summary: 'Greatest number of concurrent calls.'}),
    link: linkNameFlag({default: 'default', summary: 'Link name of a provider.'}),
    dark: Flags.boolean({default: false, exclusive: ['share'], summary: 'Listen on the versioned subject only.'}),
    share: Flags.boolean({default: false, summary: 'Share the traffic of the versions that run.'}),
    ...changeFlags,
  }

  async run(): Promise<StartResult> {
    const {args, flags} = await this.parse(Start)
    await using lattice = await this.open(flags)

    const result = await startArtifact(await lattice.control(), args.artifact, {
      ...flags,
      dryRun: flags['dry-run'],
      context: lattice.spec.context,
      timeoutMs: lattice.spec.timeoutMs,
      clock: this.clock,
      signal: this.signal(),
    })

    this.log(startView(result, (text) => this.line(text)))
    return result
  }
}
