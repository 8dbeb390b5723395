import {readFile, rename} from 'node:fs/promises'

import {z} from 'zod'

import {ServerError} from '../errors.js'
import {writeFileAtomic} from '../files/write-file.js'

const annotations = z.record(z.string(), z.string()).default({})
const actorSchema = z.object({
  ref: z.string(),
  key: z.string(),
  version: z.string().optional(),
  count: z.number().int().min(1),
  dark: z.boolean(),
  annotations,
})
const providerSchema = z.object({
  ref: z.string(),
  key: z.string(),
  version: z.string(),
  link: z.string(),
  dark: z.boolean(),
  config: z.string().optional(),
  annotations,
})
const stateSchema = z.object({
  format: z.literal(1),
  actors: z.array(actorSchema),
  providers: z.array(providerSchema),
})

export type SavedActor = z.infer<typeof actorSchema>
export type SavedProvider = z.infer<typeof providerSchema>

/** What runs on a host, as its state file keeps it. */
export type HostState = z.infer<typeof stateSchema>

export const emptyState: HostState = {format: 1, actors: [], providers: []}

/** Reads a state file; empty when there is none yet. One that cannot be read is put aside and thrown about. */
export async function readState(file: string): Promise<HostState> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ServerError(`The state file '${file}' cannot be read.`, {details: {file}, cause: error})
  })
  if (text === undefined) return emptyState
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch (cause) {
    await rename(file, `${file}.unreadable`)
    throw new ServerError(`The state file '${file}' holds no state and was renamed to '${file}.unreadable'.`, {
      details: {file},
      cause,
    })
  }
}

/** Writes the whole file at once. */
export async function writeState(file: string, state: HostState): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(state, undefined, 2)}\n`)
}
