import {LatticeCommand} from '../../lib/cli/command.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {listLeaves, type ListedLeaf} from '../../lib/leaf-server/list.js'
import {leavesView} from '../../lib/output/leaf.js'

interface LeafList {
  readonly lattice: string
  readonly leaves: readonly ListedLeaf[]
  /** Why those of other machines are not among them. */
  readonly unheard?: string
}

export default class LeafLs extends LatticeCommand<LeafList> {
  static override summary = 'List the leaf nodes of the lattice, and those of this machine that do not run.'

  static override description =
    'Asks all leaf nodes that lattice leaf run started, wherever they are; what is wrong with one is on its line.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<LeafList> {
    const {flags} = await this.parse(LeafLs)
    const spec = await this.spec(flags)

    const {leaves, unheard} = await listLeaves(spec)

    if (unheard !== undefined) {
      this.warn(`Only leaf nodes of this machine are listed: ${unheard}`)
      endWith('partial')
    }
    if (leaves.length === 0) this.note(`No leaf node in lattice '${spec.lattice}'.`)
    this.log(leaves.length === 0 ? '' : leavesView(leaves, {terminal: this.terminal}))
    return {lattice: spec.lattice, leaves, ...(unheard === undefined ? {} : {unheard})}
  }
}
