import {entityRefArg} from '../../lib/cli/args.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {inspectEntity} from '../../lib/entities/list.js'
import type {Entity} from '../../lib/entity/entity.js'
import {entityView} from '../../lib/output/entity.js'

export default class EntityInspect extends LatticeCommand<Entity> {
  static override summary = 'Show one entity: every version, where it runs or listens, and whether it is dark.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo',
    '<%= config.bin %> <%= command.id %> orders',
    '<%= config.bin %> <%= command.id %> echo --json',
  ]

  static override args = {
    entity: entityRefArg({required: true, description: 'Entity, such as echo.'}),
  }

  async run(): Promise<Entity> {
    const {args, flags} = await this.parse(EntityInspect)
    await using lattice = await this.open(flags)

    const entity = await inspectEntity(await lattice.control(), lattice.connection, args.entity)

    this.log(entityView(entity, {terminal: this.terminal}))
    return entity
  }
}
