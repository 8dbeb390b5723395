import type {HostInventory, ScaleActor, StartActor, StartProvider, StopActor, StopProvider} from '../control/dialect.js'
import {LatticeError, UsageError} from '../errors.js'
import {Actors, type ActorsOptions} from './actors.js'
import {everyVersion} from './choose.js'
import type {HostContext} from './context.js'
import {Providers} from './providers.js'
import type {LinkChange} from './records.js'
import {Serial} from './serial.js'
import {readState, writeState, type SavedActor, type SavedProvider} from './state.js'

export interface OperationsOptions extends ActorsOptions {
  /** File that keeps what runs; without one nothing is kept. */
  readonly stateFile?: string
}

/**
 * All that can be asked of a host, one change after the other, each kept in the state file before it is answered. Every
 * method throws a LatticeError whose sentence is for the asker.
 */
export class Operations {
  readonly #context: HostContext
  readonly #actors: Actors
  readonly #providers: Providers
  readonly #stateFile: string | undefined
  readonly #serial = new Serial()
  /** What the state file names and could not be started: it stays there until somebody stops it. */
  #missing: {actors: SavedActor[]; providers: SavedProvider[]} = {actors: [], providers: []}

  constructor(context: HostContext, {stateFile, ...options}: OperationsOptions) {
    this.#context = context
    this.#stateFile = stateFile
    this.#actors = new Actors(context, options)
    this.#providers = new Providers(context, (stop) => {
      this.stopProvider(stop).catch((error: unknown) => this.#warn(error))
    })
  }

  get inventory(): Pick<HostInventory, 'actors' | 'providers'> {
    return {actors: this.#actors.inventory, providers: this.#providers.inventory}
  }

  startActor(start: StartActor): Promise<void> {
    return this.#change(() => this.#actors.start(start))
  }

  stopActor(stop: StopActor): Promise<void> {
    return this.#change(async () => {
      if (!this.#forget(stop)) await this.#actors.stop(stop)
    })
  }

  scaleActor(scale: ScaleActor): Promise<void> {
    return this.#change(async () => {
      if (scale.count > 0 || !this.#forget(scale)) await this.#actors.scale(scale)
    })
  }

  updateActor(): Promise<void> {
    return Promise.reject(
      new UsageError(
        'This host replaces no running code: start the new version beside the old one, move its traffic, and stop the old one.',
      ),
    )
  }

  startProvider(start: StartProvider): Promise<void> {
    return this.#change(() => this.#providers.start(start))
  }

  stopProvider(stop: StopProvider): Promise<void> {
    return this.#change(async () => {
      const left = this.#missing.providers.filter(({key, link}) => key !== stop.key || link !== stop.link)
      const known = left.length < this.#missing.providers.length
      this.#missing.providers = left
      if (!known) await this.#providers.stop(stop)
    })
  }

  onLink(change: LinkChange): void {
    this.#providers.onLink(change)
  }

  /** Starts what the state file keeps; what cannot be started is told and kept there. */
  async restore(): Promise<void> {
    if (this.#stateFile === undefined) return
    const state = await readState(this.#stateFile).catch((error: unknown) => this.#warn(error))
    for (const provider of state?.providers ?? []) {
      const {config, ...start} = provider
      await this.#providers.start(config === undefined ? start : {...start, config}).catch((error: unknown) => {
        this.#warn(error)
        this.#missing.providers.push(provider)
      })
    }
    for (const actor of state?.actors ?? []) {
      await this.#actors.restore(actor).catch((error: unknown) => {
        this.#warn(error)
        this.#missing.actors.push(actor)
      })
    }
  }

  /** Writes again who runs, after the records of the lattice may have been lost. */
  announce(): Promise<void> {
    return this.#serial.run(async () => {
      await this.#actors.announce()
      await this.#providers.announce()
    })
  }

  /** Ends everything, ports first; resolves when all that came in is answered. The state file stays as it is. */
  drain(): Promise<void> {
    return this.#serial.run(async () => {
      await this.#providers.drain()
      await this.#actors.drain()
    })
  }

  #change(step: () => Promise<void>): Promise<void> {
    return this.#serial.run(async () => {
      try {
        await step()
      } finally {
        await this.#save().catch((error: unknown) => this.#warn(error))
      }
    })
  }

  async #save(): Promise<void> {
    if (this.#stateFile === undefined) return
    const {saved: actors} = this.#actors
    const {saved: providers} = this.#providers
    const missing = {
      actors: this.#missing.actors.filter(
        ({key, version}) => !actors.some((actor) => actor.key === key && actor.version === version),
      ),
      providers: this.#missing.providers.filter(({link}) => !providers.some((provider) => provider.link === link)),
    }
    this.#missing = missing
    await writeState(this.#stateFile, {
      format: 1,
      actors: [...actors, ...missing.actors],
      providers: [...providers, ...missing.providers],
    })
  }

  /** True when the stop meant only something that could not be restored. */
  #forget({key, version}: {readonly key: string; readonly version?: string}): boolean {
    const meant = (actor: SavedActor): boolean =>
      actor.key === key && (version === undefined || version === everyVersion || actor.version === version)
    const left = this.#missing.actors.filter((actor) => !meant(actor))
    const known = left.length < this.#missing.actors.length
    this.#missing.actors = left
    const running = this.#actors.saved.some((actor) => meant(actor))
    return known && !running
  }

  #warn(error: unknown): undefined {
    if (!(error instanceof LatticeError)) throw error
    this.#context.report({kind: 'warning', message: error.message})
    return undefined
  }
}
