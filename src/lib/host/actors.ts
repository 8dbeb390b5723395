import type {ActorInventory, ScaleActor, StartActor, StopActor} from '../control/dialect.js'
import {byText, byVersion, groupBy} from '../control/order.js'
import {ConflictError, LatticeError, NotFoundError, UsageError} from '../errors.js'
import type {ClaimsRecord} from '../records/claims.js'
import {RunningActor} from './actor.js'
import {readArtifact, type ActorArtifact, type ArtifactPolicy} from './artifact.js'
import {chooseVersions, everyVersion} from './choose.js'
import type {HostContext} from './context.js'
import type {ModuleClaims} from '../wasm/module.js'
import type {WorkerBudget} from '../wasm/budget.js'
import type {SavedActor} from './state.js'

export interface ActorsOptions {
  readonly artifacts: ArtifactPolicy
  readonly budget: WorkerBudget
}

interface Meant {
  readonly key: string
  readonly ref: string
  readonly version: string | undefined
}

interface StartOptions {
  readonly count: number
  readonly dark: boolean
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * The actors that run on one host, several versions of a key side by side. Its changes must not overlap. They throw the
 * sentence that the asker is to read, before anything has happened.
 */
export class Actors {
  readonly #context: HostContext
  readonly #options: ActorsOptions
  readonly #running: RunningActor[] = []
  readonly #ending = new Set<Promise<void>>()

  constructor(context: HostContext, options: ActorsOptions) {
    this.#context = context
    this.#options = options
  }

  get inventory(): ActorInventory[] {
    const byKey = groupBy(this.#running, ({key}) => key)
    return [...byKey]
      .map(([key, versions]) => ({
        key,
        name: versions[0]!.name,
        instances: [...versions].sort((a, b) => byVersion(a.version, b.version)).map(({inventory}) => inventory),
      }))
      .sort((a, b) => byText(a.key, b.key))
  }

  get saved(): SavedActor[] {
    return this.#running.map(({key, version, artifact, count, dark, annotations}) => ({
      ref: artifact.ref,
      key,
      ...(version === undefined ? {} : {version}),
      count,
      dark,
      annotations: {...annotations},
    }))
  }

  /** Starts a module; of one that runs already, so many more calls may run at once. */
  async start({ref, count, dark, annotations = {}}: StartActor): Promise<void> {
    try {
      if (count < 1) throw new UsageError('At least one instance is to be started, not none.')
      const artifact = await this.#read(ref)
      const present = this.#same(artifact)
      if (dark === true && present?.dark === false) throw new AlreadySharingError(present)
      if (present === undefined) await this.#launch(artifact, {count, dark: dark ?? false, annotations})
      else await this.#resize(present, present.count + count, dark)
    } catch (error) {
      if (error instanceof LatticeError) this.#failed(ref, annotations, error)
      throw error
    }
  }

  /** Starts what a state file kept; throws also when the reference stands for something else by now. */
  async restore({ref, key, version, count, dark, annotations}: SavedActor): Promise<void> {
    try {
      const artifact = await this.#read(ref)
      if (artifact.claims.key !== key || artifact.claims.version !== version) {
        const found = `${artifact.claims.name}@${artifact.claims.version ?? '?'}`
        throw new ConflictError(`'${ref}' held version '${version ?? '?'}' of ${key} and holds '${found}' now.`)
      }
      await this.#launch(artifact, {count, dark, annotations})
    } catch (error) {
      if (error instanceof LatticeError) this.#failed(ref, annotations, error)
      throw error
    }
  }

  /** Takes copies away; with count 0 all of them. */
  async stop({key, version, count}: StopActor): Promise<void> {
    const running = this.#ofKey(key)
    if (running.length === 0) throw new NotFoundError(`'${key}' does not run here.`)
    const chosen = chooseVersions(running, version)
    if (chosen.length === 0) throw notThisVersion(running, version)
    for (const actor of chosen) {
      if (count === 0 || count >= actor.count) await this.#end(actor)
      else await this.#resize(actor, actor.count - count)
    }
  }

  /** Sets how many calls may run at once, starting what does not run; count 0 stops, `dark: false` joins the others. */
  async scale({key, ref, count, version, dark, annotations = {}}: ScaleActor): Promise<void> {
    const {chosen, artifact} = await this.#meant({key, ref, version})
    if (chosen.length === 0) {
      if (artifact === undefined) throw new NotFoundError(`'${key}' does not run here, and nothing says what to start.`)
      if (count > 0) await this.#launch(artifact, {count, dark: dark ?? false, annotations})
    }
    for (const actor of chosen) {
      if (count === 0) await this.#end(actor)
      else await this.#resize(actor, count, dark)
    }
  }

  /** Writes the claims of all that runs once more. */
  async announce(): Promise<void> {
    for (const {artifact} of this.#running)
      await this.#context.records.announce(claimsRecord(artifact.claims), artifact.ref)
  }

  /** Ends everything; resolves when all calls are answered. */
  async drain(): Promise<void> {
    await Promise.all(this.#running.map((actor) => actor.stop()))
    for (const actor of this.#running.splice(0)) this.#stopped(actor)
    await Promise.all(this.#ending)
  }

  /** What a scale means: an artifact says its version itself (§8.2 #17). */
  async #meant({key, ref, version}: Meant): Promise<{chosen: RunningActor[]; artifact?: ActorArtifact}> {
    const running = this.#ofKey(key)
    const named = version === undefined || version === everyVersion ? running : chooseVersions(running, version)
    const byRef = ref === '' ? named : named.filter(({artifact}) => artifact.ref === ref)
    if (version === everyVersion) return {chosen: running}
    if (byRef.length > 0 || ref === '') return {chosen: chooseVersions(byRef, version)}
    const artifact = await this.#read(ref)
    if (artifact.claims.key !== key) throw new ConflictError(`'${ref}' is not '${key}', but '${artifact.claims.key}'.`)
    if (version !== undefined && artifact.claims.version !== version) {
      throw new ConflictError(`'${ref}' is version '${artifact.claims.version ?? '?'}', not '${version}'.`)
    }
    const present = this.#same(artifact)
    return {chosen: present === undefined ? [] : [present], artifact}
  }

  #read(ref: string): Promise<ActorArtifact> {
    return readArtifact(ref, this.#options.artifacts, Date.now())
  }

  #ofKey(key: string): RunningActor[] {
    return this.#running.filter((actor) => actor.key === key)
  }

  /** The running copy of an artifact; throws when other code runs under its key and version. */
  #same({claims: {key, version, name}, digest}: ActorArtifact): RunningActor | undefined {
    const present = this.#ofKey(key).find((actor) => actor.version === version)
    if (present === undefined || present.artifact.digest === digest) return present
    throw new ConflictError(
      `'${name}@${version ?? '?'}' runs here already with other code: stop it first, or give the new code a version of its own.`,
    )
  }

  async #launch(artifact: ActorArtifact, {count, dark, annotations}: StartOptions): Promise<void> {
    const {claims, ref} = artifact
    if (claims.version === everyVersion) throw new UsageError(`A version cannot be called '${everyVersion}'.`)
    if (dark && claims.version === undefined) {
      throw new UsageError(`'${claims.name}' has no version, so there is no subject on which it could run dark.`)
    }
    const actor = RunningActor.start(this.#context, artifact, {
      count,
      dark: true,
      annotations,
      budget: this.#options.budget,
    })
    try {
      await this.#context.records.announce(claimsRecord(claims), ref)
    } catch (error) {
      await actor.stop()
      throw error
    }
    if (!dark) await actor.setDark(false)
    this.#running.push(actor)
    this.#publish('actors_started', actor, {count, dark, claims: eventClaims(claims)})
  }

  async #resize(actor: RunningActor, count: number, dark = actor.dark): Promise<void> {
    if (dark && actor.version === undefined) throw new UsageError(`'${actor.name}' has no version and cannot be dark.`)
    actor.resize(count)
    await actor.setDark(dark)
    this.#publish('actor_scaled', actor, {max_instances: count, dark, claims: eventClaims(actor.artifact.claims)})
  }

  async #end(actor: RunningActor): Promise<void> {
    await actor.stop()
    this.#running.splice(this.#running.indexOf(actor), 1)
    this.#stopped(actor)
  }

  #stopped(actor: RunningActor): void {
    const ending = actor.ended().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    this.#publish('actors_stopped', actor, {count: actor.count, remaining: 0})
  }

  #failed(ref: string, annotations: object, {message}: LatticeError): void {
    this.#context.events.publish('actors_start_failed', {public_key: '', image_ref: ref, annotations, error: message})
  }

  #publish(name: string, {key, version, artifact, annotations}: RunningActor, data: object): void {
    const known = {public_key: key, image_ref: artifact.ref, annotations, ...(version === undefined ? {} : {version})}
    this.#context.events.publish(name, {...known, ...data})
  }
}

class AlreadySharingError extends ConflictError {
  constructor({name, version}: RunningActor) {
    super(`'${name}@${version ?? '?'}' runs here already and is not dark.`)
  }
}

function notThisVersion(running: readonly RunningActor[], version: string | undefined): NotFoundError {
  const found = running.map((actor) => actor.version ?? '?').join(', ')
  return new NotFoundError(`'${running[0]!.name}' does not run here in version '${version ?? '?'}', but in ${found}.`)
}

/** The form that every v0 host reads (§4.3). */
function claimsRecord({key, issuer, name, version, revision, callAlias, caps, tags}: ModuleClaims): ClaimsRecord {
  return {
    sub: key,
    iss: issuer,
    name,
    call_alias: callAlias ?? '',
    caps: caps.join(','),
    contract_id: '',
    rev: String(revision ?? 0),
    tags: tags.join(','),
    version: version ?? '',
  }
}

function eventClaims({issuer, name, version, revision, callAlias, caps, tags}: ModuleClaims): object {
  return {
    call_alias: callAlias ?? '',
    caps,
    issuer,
    tags,
    name,
    version: version ?? '',
    revision: revision ?? 0,
  }
}
