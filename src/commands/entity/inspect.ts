import {entityRefArg} from '../../lib/cli/args.js'
import {ServicesCommand} from '../../lib/cli/services-command.js'
import {servicesFlag} from '../../lib/cli/services-flag.js'
import {inspectEntity} from '../../lib/entities/list.js'
import type {Entity} from '../../lib/entity/entity.js'
import {entityView} from '../../lib/output/entity.js'

export default class EntityInspect extends ServicesCommand<Entity> {
  static override summary = 'Show one entity: every version, where it runs or listens, and whether it is dark.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo',
    '<%= config.bin %> <%= command.id %> orders',
    '<%= config.bin %> <%= command.id %> orders --services deploy/services.yaml',
    '<%= config.bin %> <%= command.id %> echo --json',
  ]

  static override args = {
    entity: entityRefArg({required: true, description: 'Entity, such as echo.'}),
  }

  static override flags = {services: servicesFlag}

  async run(): Promise<Entity> {
    const {args, flags} = await this.parse(EntityInspect)
    await using lattice = await this.open(flags)

    const declared = await lattice.declared(args.entity)
    const entity = await inspectEntity(await lattice.control(), lattice.connection, {ref: args.entity, declared})

    this.log(entityView(entity, {terminal: this.terminal}))
    return entity
  }
}
