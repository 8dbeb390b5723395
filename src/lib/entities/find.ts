import type {ControlClient} from '../control/client.js'
import {discover, type Discovery} from '../control/discover.js'
import {formatRef, type Entity, type EntityRef, type Instance} from '../entity/entity.js'
import {resolveEntity} from '../entity/resolve.js'
import {AmbiguousError, NotFoundError} from '../errors.js'

/** No running entity has that name. */
export class UnknownEntityError extends NotFoundError {
  constructor(ref: EntityRef, lattice: string, nearest: readonly string[]) {
    super(`No entity '${formatRef(ref)}' runs in lattice '${lattice}'.`, {
      suggestions: nearest.length > 0 ? nearest.map((name) => formatRef({...ref, name})) : ['lattice entity ls'],
      details: {entity: formatRef(ref), lattice, nearest},
    })
  }
}

/** Several entities fit a reference. */
export class AmbiguousEntityError extends AmbiguousError {
  constructor(ref: EntityRef, candidates: readonly Entity[]) {
    const refs = candidates.map(({key, link}) => formatRef({...ref, name: key, ...(link === undefined ? {} : {link})}))
    super(`'${formatRef(ref)}' fits ${candidates.length} entities.`, {
      suggestions: refs,
      details: {entity: formatRef(ref), candidates: refs},
    })
  }
}

/** Everything that runs, and the one entity a reference means; throws when it means none or several. */
export async function findEntity(
  control: ControlClient,
  ref: EntityRef,
): Promise<{readonly entity: Entity; readonly discovery: Discovery}> {
  const discovery = await discover(control)
  return {entity: requireEntity(ref, discovery.entities, control.lattice), discovery}
}

/** The one entity that a reference means; throws an UnknownEntityError or AmbiguousEntityError. */
export function requireEntity(ref: EntityRef, known: readonly Entity[], lattice: string): Entity {
  const resolution = resolveEntity(ref, known)
  switch (resolution.kind) {
    case 'found':
      return resolution.entity
    case 'ambiguous':
      throw new AmbiguousEntityError(ref, resolution.candidates)
    case 'missing':
      throw new UnknownEntityError(ref, lattice, resolution.nearest)
  }
}

/** The one host that a `--host` value means: id, unique id prefix or friendly name. */
export function requireHost(text: string, {hosts}: Pick<Discovery, 'hosts'>): Discovery['hosts'][number] {
  const exact = hosts.filter(({id, name}) => id === text || name === text)
  const found = exact.length > 0 ? exact : hosts.filter(({id}) => text.length >= 4 && id.startsWith(text))
  if (found.length === 1) return found[0]!
  const choices = hosts.map(({id}) => `--host ${id}`)
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
