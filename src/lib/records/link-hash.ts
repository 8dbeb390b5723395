import {createHash} from 'node:crypto'

/** What tells one v0 link from another; its provider and values do not. */
export interface LinkIdentity {
  readonly actor_id: string
  readonly contract_id: string
  readonly link_name: string
}

/** Key part and id of a link: upper-case hex SHA-256 of actor id, contract id and link name, concatenated. */
export function linkHash({actor_id, contract_id, link_name}: LinkIdentity): string {
  return createHash('sha256')
    .update(actor_id + contract_id + link_name)
    .digest('hex')
    .toUpperCase()
}
