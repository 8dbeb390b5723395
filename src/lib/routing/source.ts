import type {Entity} from '../entity/entity.js'
import {encodeVersion} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {isLiteralSubject} from './subject.js'

/** What of an actor or provider its subjects are made of. */
export type Addressed = Pick<Entity, 'kind' | 'key' | 'link'>

/** The subject that callers of a v0 entity publish to, whatever the version. */
export function sourceOf(lattice: string, {kind, key, link = 'default'}: Addressed): string {
  const source = kind === 'actor' ? `wasmbus.rpc.${lattice}.${key}` : `wasmbus.rpc.${lattice}.${key}.${link}`
  if (isLiteralSubject(source) && source.split('.').length === (kind === 'actor' ? 4 : 5)) return source
  throw new UsageError(`${JSON.stringify(key)} in lattice ${JSON.stringify(lattice)} makes no subject.`)
}

/** The subject on which exactly one version of a v0 entity listens. */
export function legAddress(lattice: string, entity: Addressed, version: string): string {
  return `${sourceOf(lattice, entity)}.${encodeVersion(version)}`
}

/**
 * The queue group in which all instances of an entity share its subjects; another group would get copies. It is the same
 * on the source and on every leg address: a leaf node sends a message on for the groups that it knows on the source, and
 * the hub, which maps it to a leg address, finds nobody there but in these groups.
 */
export function queueGroup(lattice: string, entity: Addressed): string {
  return entity.kind === 'actor' ? sourceOf(lattice, entity) : 'rpc'
}

/** Key of an entity's route record: a display name may change, this does not. */
export function routeKey({kind, key, link = 'default'}: Addressed): string {
  const encode = (identity: string): string => Buffer.from(identity).toString('base64url')
  switch (kind) {
    case 'actor':
      return `v0.${encode(key)}`
    case 'provider':
      return `v0.${encode(`${key}/${link}`)}`
    case 'service':
      return `svc.${encode(key)}`
    case 'subject':
      return `subj.${encode(key)}`
  }
}
