import * as Args from '@oclif/core/args'

import {LocalCommand} from '../lib/cli/command.js'
import {commandTable} from '../lib/cli/table.js'
import {completionScript, shells, type CompletionScript, type Shell} from '../lib/completion/generate.js'

export default class Completion extends LocalCommand<CompletionScript> {
  static override summary = 'Print the script that completes commands, flags and names in your shell.'

  static override description =
    'Commands and flags stand in the script. Names of lattices, entities, versions and hosts come from a small file that a process in the background keeps.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> bash > ~/.local/share/bash-completion/completions/lattice',
    '<%= config.bin %> <%= command.id %> zsh > ~/.zfunc/_lattice',
    '<%= config.bin %> <%= command.id %> fish > ~/.config/fish/completions/lattice.fish',
    '<%= config.bin %> <%= command.id %> bash --json',
  ]

  static override args = {
    shell: Args.custom<Shell>({
      ignoreStdin: true,
      description: 'The shell.',
      options: [...shells],
      parse: (text) => Promise.resolve(text as Shell),
    })({required: true}),
  }

  async run(): Promise<CompletionScript> {
    const {args} = await this.parse(Completion)

    const made = await completionScript(args.shell, commandTable)

    this.log(made.script.trimEnd())
    return made
  }
}
