import {listContexts, readContext, selectedContext, type Context} from './context-files.js'

const secretFields = new Set(['token', 'password', 'user_jwt', 'user_seed'])
const defaultUrl = 'nats://127.0.0.1:4222'

/** A context as it may be shown: secrets only as `set`, user info in addresses as `***`. */
export interface DescribedContext {
  readonly name: string
  readonly selected: boolean
  readonly url: string
  readonly lattice: string
  readonly description?: string
  /** natscli's fields that are set. */
  readonly fields: Readonly<Record<string, string>>
  /** Our fields that are set. */
  readonly latticeFields: Readonly<Record<string, string>>
}

/** Describes every context, sorted by name. */
export async function describeContexts(): Promise<DescribedContext[]> {
  const selected = await selectedContext()
  return Promise.all((await listContexts()).map(async (name) => describe(await readContext(name), selected)))
}

/** Describes one context, the selected one without a name; undefined when none is selected. */
export async function describeContext(name: string | undefined): Promise<DescribedContext | undefined> {
  const selected = await selectedContext()
  const wanted = name ?? selected
  return wanted === undefined ? undefined : describe(await readContext(wanted), selected)
}

function describe({name, nats, lattice}: Context, selected: string | undefined): DescribedContext {
  const url = hideUserInfo(nats.url ?? defaultUrl)
  return {
    name,
    selected: name === selected,
    url,
    lattice: lattice.lattice ?? 'default',
    ...(nats.description ? {description: nats.description} : {}),
    fields: {...shown(nats), url},
    latticeFields: shown(lattice),
  }
}

function shown(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const set = Object.entries(values).filter(
    ([, value]) => value !== '' && value !== null && value !== false && value !== undefined,
  )
  return Object.fromEntries(
    set.map(([field, value]) => [
      field,
      secretFields.has(field) ? 'set' : typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
}

function hideUserInfo(url: string): string {
  return url.replace(/(^|,)(\s*\w+:\/\/)?[^@,/]*@/g, '$1$2***@')
}
