import {z} from 'zod'

const texts = z.array(z.string())

const linkSchema = z.looseObject({
  source_id: z.string(),
  target: z.string(),
  name: z.string().default('default'),
  wit_namespace: z.string(),
  wit_package: z.string(),
  interfaces: texts,
  source_config: texts.default([]),
  target_config: texts.default([]),
})

/** What a v1 lattice knows of a component or provider: the reference first started, and the links that leave it. */
export const componentSchema = z.looseObject({url: z.string(), links: z.array(linkSchema).default([])})

export type ComponentRecord = z.infer<typeof componentSchema>
