import {LatticeCommand} from '../../lib/cli/command.js'
import {listLeaves, type ListedLeaf} from '../../lib/leaf-server/list.js'
import {leavesView} from '../../lib/output/leaf.js'

interface LeafList {
  readonly lattice: string
  readonly leaves: readonly ListedLeaf[]
}

export default class LeafLs extends LatticeCommand<LeafList> {
  static override summary = 'List the leaf nodes of the lattice, and those of this machine that do not run.'

  static override description =
    'Asks all leaf nodes that lattice leaf run started, wherever they are; what is wrong with one is on its line.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<LeafList> {
    const {flags} = await this.parse(LeafLs)
    const spec = await this.spec(flags)

    const leaves = await listLeaves(spec)

    if (leaves.length === 0) this.note(`No leaf node in lattice '${spec.lattice}'.`)
    this.log(leaves.length === 0 ? '' : leavesView(leaves, {terminal: this.terminal}))
    return {lattice: spec.lattice, leaves}
  }
}
