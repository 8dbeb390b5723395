import {ConflictError, NotFoundError} from '../errors.js'
import {
  listContexts,
  readContext,
  removeContext,
  selectContext,
  selectedContext,
  writeContext,
} from '../nats/context-files.js'
import {contextNames, embeddedFiles, type EmbeddedState} from './embedded-state.js'

function description(name: string): string {
  return `Embedded lattice '${name}' (lattice up)`
}

/** Throws a ConflictError when a context that is not ours already has one of the names. */
export async function checkContexts(name: string): Promise<void> {
  for (const context of Object.values(contextNames(name))) {
    if ((await isOurs(context, name)) === false) {
      throw new ConflictError(`The context '${context}' exists and was not made by 'lattice up'.`, {
        suggestions: [`lattice context show ${context}`, 'lattice up --name NAME'],
        details: {context},
      })
    }
  }
}

/** Writes both contexts of an embedded lattice; the `nats` tool reads the same files. */
export async function writeContexts(state: EmbeddedState): Promise<void> {
  const {user, sys} = contextNames(state.name)
  const files = embeddedFiles(state.folder)
  const url = `nats://127.0.0.1:${state.port ?? 0}`
  await writeContext(
    user,
    {description: description(state.name), url, creds: files.creds},
    {
      lattice: state.name,
      dialect: 'v0',
      sysContext: sys,
      operatorKeyFile: files.operatorSigningSeed,
      clusterSeedFile: files.clusterSeed,
    },
  )
  await writeContext(sys, {description: description(state.name), url, creds: files.sysCreds}, {lattice: state.name})
}

/** Removes both contexts unless they were made by others; true when there was one. */
export async function removeContexts(name: string): Promise<boolean> {
  let removed = false
  for (const context of Object.values(contextNames(name))) {
    if ((await isOurs(context, name)) !== true) continue
    await removeContext(context)
    removed = true
  }
  return removed
}

/** The user's context of an embedded lattice, when it asks for its name before destructive work. */
export async function protectedContext(name: string): Promise<string | undefined> {
  const {user} = contextNames(name)
  if ((await isOurs(user, name)) !== true) return undefined
  return (await readContext(user)).lattice.protected === true ? user : undefined
}

/** Selects the user's context if none is selected; the name of the one that is selected afterwards. */
export async function selectIfNone(name: string): Promise<string> {
  const selected = await selectedContext()
  const {user} = contextNames(name)
  if (selected !== undefined && (await listContexts()).includes(selected)) return selected
  await selectContext(user)
  return user
}

/** Undefined when there is no such context. */
async function isOurs(context: string, name: string): Promise<boolean | undefined> {
  try {
    return (await readContext(context)).nats.description === description(name)
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}
