import type {ControlClient} from '../control/client.js'
import {discover, type Discovery} from '../control/discover.js'
import type {Entity, EntityRef, Instance} from '../entity/entity.js'
import {requireEntity} from '../entity/require.js'
import {AmbiguousError, NotFoundError} from '../errors.js'

/** Everything that runs, and the one entity a reference means; throws when it means none or several. */
export async function findEntity(
  control: ControlClient,
  ref: EntityRef,
): Promise<{readonly entity: Entity; readonly discovery: Discovery}> {
  const discovery = await discover(control)
  return {entity: requireEntity(ref, discovery.entities, control.lattice), discovery}
}

/** The one host that a text means: id, unique id prefix or friendly name; `choice` writes a host to choose instead. */
export function requireHost(
  text: string,
  {hosts}: Pick<Discovery, 'hosts'>,
  choice = (id: string): string => `--host ${id}`,
): Discovery['hosts'][number] {
  const exact = hosts.filter(({id, name}) => id === text || name === text)
  const found = exact.length > 0 ? exact : hosts.filter(({id}) => text.length >= 4 && id.startsWith(text))
  if (found.length === 1) return found[0]!
  const choices = hosts.map(({id}) => choice(id))
  if (found.length > 1) throw new AmbiguousError(`'${text}' fits ${found.length} hosts.`, {suggestions: choices})
  throw new NotFoundError(`No host '${text}' answers.`, {
    suggestions: choices.length > 0 ? choices : ['lattice host ls'],
  })
}

/** The instances that a reference and an optional host target. */
export function targetInstances(entity: Entity, {version}: EntityRef, host: string | undefined): Instance[] {
  return entity.instances.filter(
    (instance) =>
      (version === undefined || instance.version === version) && (host === undefined || instance.host === host),
  )
}
