import {AmbiguousError, NotFoundError} from '../errors.js'
import {formatRef, parseRef, type Entity, type EntityRef} from './entity.js'
import {resolveEntity} from './resolve.js'

/** The shortest reference to an entity that a user can paste: its key where its name cannot stand in a reference. */
export function entityName({name, key, link}: Entity): string {
  return formatRef({name: shellWord(isReference(name) ? name : key), ...(link === undefined ? {} : {link})})
}

/** One version of an entity as a user can paste it. */
export function versionName(entity: Entity, version: string): string {
  return `${entityName(entity)}@${shellWord(version)}`
}

/** Names come from whoever signs modules, and may look like a flag, a version or a link. */
function isReference(name: string): boolean {
  try {
    const {link, version} = parseRef(name)
    return link === undefined && version === undefined && !name.startsWith('-')
  } catch {
    return false
  }
}

/** A word as a shell takes it: names come from whoever signs modules, and lines with them are pasted. */
export function shellWord(word: string): string {
  return /^[\p{L}\p{M}\p{N}_@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

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
