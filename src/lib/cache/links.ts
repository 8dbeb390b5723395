import {parseRef} from '../entity/entity.js'
import {AmbiguousError, NotFoundError, UsageError} from '../errors.js'
import {builtinHttpserver} from '../records/builtin.js'
import {hideSecrets} from '../records/secrets.js'
import {isPlainLink, type JsonRecord} from '../records/universal.js'
import type {LatticeCache} from './cache.js'
import {addressName} from './key.js'
import {resolveKey} from './resolve.js'
import type {CacheChange} from './change.js'
import {deletedBefore, deleteRecord, type DeleteOptions} from './delete.js'
import {putRecord, type PutOptions} from './write.js'

/** A link as a user states it. */
export interface LinkRequest {
  /** Name, alias, key prefix or key. */
  readonly actor: string
  readonly provider: string
  /** Contract id; default the one in the provider's claims. */
  readonly contract?: string | undefined
  readonly link: string
  readonly values: Readonly<Record<string, string>>
}

/** A link as `link ls` tells it; secrets in its values are `set`. */
export interface StoredLink {
  readonly hash: string
  readonly actor: string
  readonly actorName?: string
  readonly provider: string
  readonly providerName?: string
  readonly contract: string
  readonly link: string
  readonly values: Readonly<Record<string, string>>
  readonly revision: number
  readonly created: string
  /** Why it is not the link that its key says. */
  readonly problem?: string
}

export interface LinkFilter {
  readonly actor: string
  readonly provider?: string | undefined
  readonly contract?: string | undefined
  readonly link?: string | undefined
}

/** Writes a link, whether or not a host is alive; it replaces the one of that actor, contract and link name. */
export async function putLink(cache: LatticeCache, request: LinkRequest, options: PutOptions): Promise<CacheChange> {
  const {link, values} = request
  const again = (actor: string, provider: string) => cache.line(['link', 'put', actor, provider])
  const actor = await keyOf(cache, request.actor, (candidate) => again(candidate, request.provider))
  const provider = await keyOf(cache, request.provider, (candidate) => again(request.actor, candidate))
  if (!actor.startsWith('M'))
    throw new UsageError(`'${request.actor}' is not an actor.`, {suggestions: [cache.line(['claims', 'ls'])]})
  if (!provider.startsWith('V'))
    throw new UsageError(`'${request.provider}' is not a provider.`, {suggestions: [cache.line(['claims', 'ls'])]})
  const contract = request.contract ?? (await contractOf(cache, provider))
  if (contract === undefined) {
    throw new UsageError(`The contract of '${request.provider}' is not known.`, {
      suggestions: [`${again(request.actor, request.provider)} --contract wasmcloud:keyvalue`],
    })
  }
  // What the provider could not use is refused here: its host would say so only in its log.
  if (provider === builtinHttpserver.key) (await import('../records/http-address.js')).listenAddress(values)
  const record = {actor_id: actor, provider_id: provider, link_name: link, contract_id: contract, values}
  const value = new TextEncoder().encode(JSON.stringify(record))
  return putRecord(cache, {kind: 'link', key: `${actor}/${contract}/${link}`, value}, options)
}

/** All links, sorted by actor, contract and link name. */
export async function listLinks(cache: LatticeCache): Promise<StoredLink[]> {
  const [links, names] = await Promise.all([cache.list('link'), claimedNames(cache)])
  return links
    .map(({key, value, revision, created, problem}) => {
      const record = isPlainLink(value) ? value : {}
      const field = (name: string): string => (typeof record[name] === 'string' ? record[name] : '?')
      const [actor, provider] = [field('actor_id'), field('provider_id')]
      return {
        hash: key.slice('LINKDEF_'.length),
        actor,
        ...nameField('actorName', names.get(actor)),
        provider,
        ...nameField('providerName', names.get(provider)),
        contract: field('contract_id'),
        link: field('link_name'),
        values: hideSecrets(record['values'] ?? {}) as Record<string, string>,
        revision,
        created,
        ...(problem === undefined ? {} : {problem}),
      }
    })
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))
}

/** Deletes the one link that fits; throws a NotFoundError or an AmbiguousError with lines to paste. */
export async function deleteLink(
  cache: LatticeCache,
  filter: LinkFilter,
  options: DeleteOptions,
): Promise<CacheChange> {
  const actor = await keyOf(cache, filter.actor, (candidate) => cache.line(['link', 'del', candidate]))
  const provider =
    filter.provider === undefined
      ? undefined
      : await keyOf(cache, filter.provider, (candidate) => cache.line(['link', 'del', filter.actor, candidate]))
  const fits = (await listLinks(cache)).filter(
    (link) =>
      link.actor === actor &&
      (provider === undefined || link.provider === provider) &&
      (filter.contract === undefined || link.contract === filter.contract) &&
      (filter.link === undefined || link.link === filter.link),
  )
  const [found] = fits
  if (found === undefined) {
    const contract = filter.contract ?? (provider && (await contractOf(cache, provider)))
    const key = contract && `${actor}/${contract}/${filter.link ?? 'default'}`
    // One that is there belongs to another provider, and is left alone.
    const deleted = key && (await deletedBefore(cache, {kind: 'link', key}, options))
    if (deleted) return deleted
    throw new NotFoundError(`No such link of '${filter.actor}' is stored in lattice '${cache.lattice}'.`, {
      suggestions: [cache.line(['link', 'ls'])],
      details: {...filter},
    })
  }
  if (fits.length > 1) {
    throw new AmbiguousError(`${fits.length} links of '${filter.actor}' fit.`, {
      suggestions: fits.map(({contract, link, provider: key}) =>
        cache.line(['link', 'del', filter.actor, key, '--contract', contract, '--link', link]),
      ),
      details: {candidates: fits.map(({hash}) => hash)},
    })
  }
  return deleteRecord(cache, {kind: 'link', key: addressName({kind: 'link', hash: found.hash})}, options)
}

/** Parses `name=value`; throws a UsageError that does not repeat the value. */
export function parseLinkValue(text: string): readonly [name: string, value: string] {
  const equals = text.indexOf('=')
  if (equals < 1)
    throw new UsageError('A link value is written name=value.', {suggestions: ['--value address=127.0.0.1:8080']})
  return [text.slice(0, equals), text.slice(equals + 1)]
}

/** Reads link values from a JSON object of strings; throws a UsageError that shows none of them. */
export function parseLinkValues(bytes: Uint8Array): Record<string, string> {
  const refuse = (): never => {
    throw new UsageError('The link values must be a JSON object of strings.')
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(bytes))
  } catch {
    return refuse()
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse()
  if (!Object.values(value).every((field) => typeof field === 'string')) return refuse()
  return value as Record<string, string>
}

function keyOf(cache: LatticeCache, name: string, suggest: (candidate: string) => string): Promise<string> {
  return resolveKey(parseRef(name), cache.names(), suggest)
}

async function contractOf(cache: LatticeCache, provider: string): Promise<string | undefined> {
  if (provider === builtinHttpserver.key) return builtinHttpserver.contract
  const claims = (await cache.list('claims')).find(({name}) => name.split('@')[0] === provider)
  const contract = (claims?.value as JsonRecord | undefined)?.['contract_id']
  return typeof contract === 'string' && contract !== '' ? contract : undefined
}

async function claimedNames(cache: LatticeCache): Promise<ReadonlyMap<string, string>> {
  const names = new Map([[builtinHttpserver.key, builtinHttpserver.name]])
  for (const {name, title} of await cache.list('claims')) if (title !== undefined) names.set(name.split('@')[0]!, title)
  return names
}

function nameField<K extends string>(field: K, name: string | undefined): Partial<Record<K, string>> {
  return (name === undefined ? {} : {[field]: name}) as Partial<Record<K, string>>
}

function sortKey({actorName, actor, contract, link, hash}: StoredLink): string {
  return [actorName ?? '', actor, contract, link, hash].join('\n')
}
