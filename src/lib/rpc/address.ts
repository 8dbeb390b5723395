import {legAddress, sourceOf} from '../routing/source.js'

/** One end of an invocation; an actor has no link name and no contract. */
export interface RpcEntity {
  /** Public key `M…` or `V…`. */
  readonly publicKey: string
  readonly linkName: string
  readonly contractId: string
}

/** An actor as an end of an invocation. */
export function actorEntity(publicKey: string): RpcEntity {
  return {publicKey, linkName: '', contractId: ''}
}

/** True for an actor: the first letter of the key decides, never the number of subject tokens (§8.2 #3). */
export function isActorKey(publicKey: string): boolean {
  return publicKey.startsWith('M')
}

/** Subject on which an entity listens: any version of it, or exactly one (§5, §8.4). Throws a UsageError. */
export function rpcSubject(
  lattice: string,
  {publicKey: key, linkName: link}: Pick<RpcEntity, 'publicKey' | 'linkName'>,
  version?: string,
): string {
  const entity = isActorKey(key) ? ({kind: 'actor', key} as const) : ({kind: 'provider', key, link} as const)
  return version === undefined ? sourceOf(lattice, entity) : legAddress(lattice, entity, version)
}

/** The URL that antiforgery tokens name an entity by (§5). */
export function entityUrl({publicKey, linkName, contractId}: RpcEntity): string {
  if (isActorKey(publicKey)) return `wasmbus://${publicKey}`
  const contract = contractId.replaceAll(':', '/').replaceAll(' ', '_').toLowerCase()
  return `wasmbus://${contract}/${linkName.replaceAll(' ', '_').toLowerCase()}/${publicKey}`
}
