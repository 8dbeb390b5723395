import {ServicesCommand} from '../../lib/cli/services-command.js'
import {servicesFlag} from '../../lib/cli/services-flag.js'
import {listEntities, type EntityList} from '../../lib/entities/list.js'
import {entitiesView} from '../../lib/output/entity.js'

export default class EntityLs extends ServicesCommand<EntityList> {
  static override summary = 'List what runs, in which versions.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  static override flags = {services: servicesFlag}

  async run(): Promise<EntityList> {
    const {flags} = await this.parse(EntityLs)
    await using lattice = await this.open(flags)

    const declared = await lattice.declared()
    const list = await listEntities(await lattice.control(), lattice.connection, declared)

    for (const host of list.silent) this.note(`Host ${host} did not show its inventory in time.`)
    if (list.hidden !== undefined) this.note(list.hidden)
    if (list.entities.length === 0) this.noteEmpty(lattice)
    this.log(entitiesView(list.entities, {terminal: this.terminal}))
    return list
  }
}
