import {z} from 'zod'

/** Which public key an OCI or file reference stands for; `version` is our addition and other hosts ignore it. */
export const refSchema = z.looseObject({
  oci_url: z.string(),
  public_key: z.string(),
  version: z.string().optional(),
})

export type RefRecord = z.infer<typeof refSchema>
