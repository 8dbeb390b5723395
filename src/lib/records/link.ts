import {createHash} from 'node:crypto'

import {z} from 'zod'

/** A v0 link definition: one for each (actor, contract, link name). */
export const linkSchema = z.looseObject({
  id: z.string().default(''),
  actor_id: z.string(),
  provider_id: z.string(),
  link_name: z.string(),
  contract_id: z.string(),
  values: z.record(z.string(), z.string()).default({}),
})

export type LinkRecord = z.infer<typeof linkSchema>

/** Key part and id of a link: upper-case hex SHA-256 of actor id, contract id and link name, concatenated. */
export function linkHash(link: Pick<LinkRecord, 'actor_id' | 'contract_id' | 'link_name'>): string {
  return createHash('sha256')
    .update(link.actor_id + link.contract_id + link.link_name)
    .digest('hex')
    .toUpperCase()
}
