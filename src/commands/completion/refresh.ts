import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {refreshNames, type Refreshed} from '../../lib/completion/refresh.js'
import {Lattice} from '../../lib/lattice.js'

/** A prompt waits for nobody, and a person presses the key again. */
const longestMs = 4000

export default class CompletionRefresh extends LatticeCommand<Refreshed> {
  static override hidden = true

  static override summary = 'Bring the names that a shell completes up to date; its completion script runs this.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --file names-one --key context=one',
    '<%= config.bin %> <%= command.id %> --file names-one --key context=one --context one --json',
  ]

  static override flags = {
    file: Flags.string({required: true, helpValue: 'NAME', summary: 'File of names to write, without its folder.'}),
    key: Flags.string({required: true, helpValue: 'TEXT', summary: 'What the names are asked for.'}),
  }

  async run(): Promise<Refreshed> {
    const {flags} = await this.parse(CompletionRefresh)
    const timeoutMs = flags.timeout ?? longestMs

    const refreshed = await refreshNames(
      {file: flags.file, key: flags.key, clock: this.clock, timeoutMs},
      {spec: () => this.spec({...flags, timeout: timeoutMs / 2}), open: (spec) => Lattice.open(spec)},
    )

    this.log(refreshed.changed ? `${refreshed.names} names in '${refreshed.file}'.` : 'Another process is at it.')
    return refreshed
  }
}
