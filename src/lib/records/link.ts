import {z} from 'zod'

export {linkHash} from './link-hash.js'

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
