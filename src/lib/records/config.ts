import {z} from 'zod'

/** A named v1 configuration: names and values, all strings. */
export const configSchema = z.record(z.string(), z.string())

export type ConfigRecord = z.infer<typeof configSchema>
