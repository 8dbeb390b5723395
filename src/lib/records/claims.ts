import {z} from 'zod'

import {fromLongForm, type JsonRecord} from './universal.js'

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '')

/**
 * Claims as every v0 host reads them: all values strings, lists joined by commas, missing ones empty. The long form of
 * newer hosts is read as well (wasmcloud-v0 §4.3). Unknown fields of foreign records pass through.
 */
export const claimsSchema = z.preprocess(
  (value) => (isObject(value) ? fromLongForm(value) : value),
  z.looseObject({
    sub: z.string(),
    iss: text,
    name: text,
    call_alias: text,
    caps: text,
    contract_id: text,
    rev: z
      .union([z.string(), z.number().transform(String)])
      .nullish()
      .transform((value) => value ?? ''),
    tags: text,
    version: text,
    image_ref: z.string().optional(),
  }),
)

export type ClaimsRecord = z.infer<typeof claimsSchema>

function isObject(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
