import type {ProviderInventory, StartProvider, StopProvider} from '../control/dialect.js'
import {byText} from '../control/order.js'
import {ConflictError, LatticeError, NotFoundError, UsageError} from '../errors.js'
import {builtinHttpserver} from '../records/builtin.js'
import {chooseVersions} from './choose.js'
import type {HostContext} from './context.js'
import {RunningProvider} from './provider.js'
import type {LinkChange} from './records.js'
import type {SavedProvider} from './state.js'

/** The providers that run inside one host, one for each link name. Its changes must not overlap. */
export class Providers {
  readonly #context: HostContext
  readonly #running: RunningProvider[] = []
  readonly #ending = new Set<Promise<void>>()
  readonly #onShutdown: (stop: StopProvider) => void

  /** `onShutdown` is told when another program asks an instance to stop. */
  constructor(context: HostContext, onShutdown: (stop: StopProvider) => void) {
    this.#context = context
    this.#onShutdown = onShutdown
  }

  get inventory(): ProviderInventory[] {
    return this.#running.map(({inventory}) => inventory).sort((a, b) => byText(a.link, b.link))
  }

  get saved(): SavedProvider[] {
    return this.#running.map(({ref, key, version, options: {link, dark, config, annotations}}) => ({
      ref,
      key,
      version,
      link,
      dark,
      ...(config === undefined ? {} : {config}),
      annotations: {...annotations},
    }))
  }

  async start({ref, link, config, dark = false, annotations = {}}: StartProvider): Promise<void> {
    try {
      this.#refuse(ref, link)
      await this.#context.records.announce(providerClaims(), ref)
    } catch (error) {
      if (error instanceof LatticeError) {
        this.#context.events.publish('provider_start_failed', {
          provider_ref: ref,
          link_name: link,
          error: error.message,
        })
      }
      throw error
    }
    const {key, contract, version} = builtinHttpserver
    const onShutdown = (): void => this.#onShutdown({key, link, contract, version})
    const options = {link, dark, annotations, onShutdown, ...(config === undefined ? {} : {config})}
    const provider = RunningProvider.start(this.#context, options)
    this.#running.push(provider)
    this.#publish('provider_started', provider, {dark, claims: eventClaims()})
  }

  async stop({key, link, version}: StopProvider): Promise<void> {
    const running = this.#running.filter((provider) => provider.key === key && provider.options.link === link)
    if (running.length === 0) throw new NotFoundError(`'${key}' does not run here under link name '${link}'.`)
    const chosen = chooseVersions(running, version)
    if (chosen.length === 0) {
      throw new NotFoundError(
        `'${key}' does not run here in version '${version ?? '?'}', but in ${running[0]!.version}.`,
      )
    }
    for (const provider of chosen) await this.#end(provider)
  }

  /** Writes the claims of all that runs once more. */
  async announce(): Promise<void> {
    for (const {ref} of this.#running) await this.#context.records.announce(providerClaims(), ref)
  }

  /** A link was put or deleted, by whomever. */
  onLink({kind, link}: LinkChange): void {
    for (const provider of this.#running.filter((running) => running.owns(link))) {
      if (kind === 'set') provider.putLink(link)
      else provider.deleteLink(link)
    }
  }

  /** Ends everything; resolves when all requests are answered. */
  async drain(): Promise<void> {
    await Promise.all([...this.#running].map((provider) => this.#end(provider)))
    await Promise.all(this.#ending)
  }

  #refuse(ref: string, link: string): void {
    if (ref !== builtinHttpserver.ref) {
      throw new UsageError(`'${ref}' cannot be started: '${builtinHttpserver.ref}' is the only provider of this host.`)
    }
    if (!/^[A-Za-z0-9_-]+$/.test(link)) {
      throw new UsageError(`${JSON.stringify(link)} is not a link name: it may hold letters, digits, - and _ only.`)
    }
    if (this.#running.some(({options}) => options.link === link)) {
      throw new ConflictError(`'${ref}' runs here already under link name '${link}'.`)
    }
  }

  async #end(provider: RunningProvider): Promise<void> {
    await provider.stop()
    this.#running.splice(this.#running.indexOf(provider), 1)
    const ending = provider.ended().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    this.#publish('provider_stopped', provider, {reason: 'normal'})
  }

  #publish(name: string, provider: RunningProvider, data: object): void {
    const {key, ref, contract, version, options, inventory} = provider
    this.#context.events.publish(name, {
      public_key: key,
      image_ref: ref,
      link_name: options.link,
      contract_id: contract,
      instance_id: inventory.instanceId,
      annotations: options.annotations,
      version,
      ...data,
    })
  }
}

function providerClaims(): Parameters<HostContext['records']['announce']>[0] {
  const {key, name, contract, version} = builtinHttpserver
  return {sub: key, iss: '', name, call_alias: '', caps: '', contract_id: contract, rev: '0', tags: '', version}
}

function eventClaims(): object {
  const {name, version} = builtinHttpserver
  return {issuer: '', tags: [], name, version, revision: 0}
}
