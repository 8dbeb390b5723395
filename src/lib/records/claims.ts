import {z} from 'zod'

/**
 * Claims as every v0 host reads them: all values strings, lists joined by commas, missing ones empty.
 * Unknown fields of foreign records pass through.
 */
export const claimsSchema = z.looseObject({
  sub: z.string(),
  iss: z.string().default(''),
  name: z
    .string()
    .nullish()
    .transform((value) => value ?? ''),
  call_alias: z
    .string()
    .nullish()
    .transform((value) => value ?? ''),
  caps: z
    .string()
    .nullish()
    .transform((value) => value ?? ''),
  contract_id: z
    .string()
    .nullish()
    .transform((value) => value ?? ''),
  rev: z
    .union([z.string(), z.number().transform(String)])
    .nullish()
    .transform((value) => value ?? ''),
  tags: z
    .string()
    .nullish()
    .transform((value) => value ?? ''),
  version: z
    .string()
    .nullish()
    .transform((value) => value ?? ''),
  image_ref: z.string().optional(),
})

export type ClaimsRecord = z.infer<typeof claimsSchema>
