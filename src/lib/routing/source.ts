import type {Entity} from '../entity/entity.js'
import {decodeVersion, encodeVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {isLiteralSubject} from './subject.js'

/** What of an entity its subjects are made of. */
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

/** The version that a leg address stands for; undefined for any other subject. */
export function versionOfLeg(lattice: string, entity: Addressed, subject: string): Version | undefined {
  const prefix = `${sourceOf(lattice, entity)}.`
  return subject.startsWith(prefix) ? decodeVersion(subject.slice(prefix.length)) : undefined
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
  return `v0.${Buffer.from(kind === 'actor' ? key : `${key}/${link}`).toString('base64url')}`
}
