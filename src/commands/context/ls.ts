import {LocalCommand} from '../../lib/cli/command.js'
import {describeContexts, type DescribedContext} from '../../lib/nats/describe-context.js'
import {contextsView} from '../../lib/output/context.js'

interface ContextList {
  readonly contexts: readonly DescribedContext[]
}

export default class ContextLs extends LocalCommand<ContextList> {
  static override summary = 'List the contexts that lattice and nats share.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<ContextList> {
    await this.parse(ContextLs)

    const contexts = await describeContexts()

    this.log(contextsView(contexts, {terminal: this.terminal}))
    return {contexts}
  }
}
