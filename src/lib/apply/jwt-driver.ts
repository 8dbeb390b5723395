import type {Clock} from '../clock.js'
import {LatticeError} from '../errors.js'
import type {SigningKey} from '../keys/nkey.js'
import type {ConnectSpec} from '../nats/spec.js'
import type {SystemClient} from '../nats/system.js'
import {readAccountToken} from '../routing/account-jwt.js'
import {openSource, readAccount, readFacts, type AccountView, type ServersFacts} from './account-state.js'
import {
  isLive,
  SentUnknownError,
  type Applied,
  type ApplyOptions,
  type Driver,
  type ReadOptions,
  type TableChange,
  type Verification,
  type WriteBack,
} from './driver.js'
import {judgeDurability, type Durability} from './durability.js'
import type {NscCopy, OwnSources} from './nsc-copy.js'
import {checkTrust, prepareChange, sendChange, type Receipt, type TokenSigner} from './push.js'
import {verifyPush} from './verify.js'
import {writeBack} from './write-back.js'

/** What routes by account tokens need to be read and changed. */
export interface JwtAccess {
  readonly system: SystemClient
  readonly account: string
  readonly clock: Clock
  /** Undefined: changes can be planned and not made. */
  readonly key: SigningKey | undefined
  readonly spec: Pick<ConnectSpec, 'nscStore' | 'operatorKeyFile' | 'timeoutMs'>
  /** Sources whose mappings lattice made; asked for only where an nsc store differs from the servers. */
  readonly ownSources: OwnSources
  /** As in TokenSigner. */
  readonly secondsAhead?: number
  /** Servers that disagree are to be mended. */
  readonly newest?: boolean
}

/** The driver with what was found out on the way to it. */
export interface OpenedJwt {
  readonly driver: JwtDriver
  readonly facts: ServersFacts
  readonly view: AccountView
}

/**
 * Finds out how the servers resolve accounts and whom they trust, and reads the account. Throws what readAccount and
 * checkTrust throw, and a NscDriftError when the store that the key comes from would undo what is live.
 */
export async function openJwtDriver({
  key,
  spec,
  ownSources,
  secondsAhead,
  newest,
  ...access
}: JwtAccess): Promise<OpenedJwt> {
  const [facts, plain, copy] = await Promise.all([
    readFacts(access),
    openSource(access),
    openCopy(spec, access.account, ownSources),
  ])
  const source = copy?.token === undefined ? plain : {...plain, given: readAccountToken(copy.token.text)}
  const view = await readAccount(source, {newest: newest ?? false})
  await copy?.check(view.token.text)
  const ahead = secondsAhead === undefined ? {} : {secondsAhead}
  const signer = {...source, key, facts, timeoutMs: spec.timeoutMs, ...ahead}
  checkTrust(signer, view)
  return {driver: new JwtDriver(signer, copy), facts, view}
}

/** Most have no nsc store, and need not load what reads it. */
async function openCopy(
  spec: JwtAccess['spec'],
  account: string,
  ownSources: OwnSources,
): Promise<NscCopy | undefined> {
  if (spec.nscStore === undefined) return undefined
  const {openNscCopy} = await import('./nsc-copy.js')
  return openNscCopy(spec, account, ownSources)
}

/** Routes by signed account tokens that every server is sent. */
export class JwtDriver implements Driver {
  readonly name = 'jwt'
  readonly form = 'jwt'
  readonly #signer: TokenSigner
  readonly #copy: NscCopy | undefined

  constructor(signer: TokenSigner, copy?: NscCopy) {
    this.#signer = signer
    this.#copy = copy
  }

  /** A plan may be made where no key is; that the key will do is then not known. */
  get notes(): readonly string[] {
    const keyless =
      this.#signer.key === undefined ? ['No operator signing key is known here, so none was checked.'] : []
    return [...keyless, ...wordsOf(this.durability)]
  }

  /** What a change does not outlive; undefined when every server keeps it. */
  get durability(): Durability | undefined {
    return judgeDurability(this.#signer.resolvers, this.#signer.account)
  }

  /** What differs between the nsc store that the key comes from and the servers, as a sentence. */
  async drift(): Promise<string | undefined> {
    if (this.#copy === undefined) return undefined
    return this.#copy.describe((await this.read({newest: true})).token.text)
  }

  read(options?: ReadOptions): Promise<AccountView> {
    return readAccount(this.#signer, options)
  }

  async apply(change: TableChange, options?: ApplyOptions): Promise<Applied> {
    const prepared = await prepareChange(this.#signer, change, options)
    await this.#copy?.check(prepared.before.token.text)
    const receipt = await sendChange(this.#signer, prepared).catch((error: unknown) => {
      throw error instanceof LatticeError ? new SentUnknownError(error) : error
    })
    const {before, pushMs, confirmedAt} = receipt
    const notes: string[] = []
    const verify = async (withinMs: number): Promise<Verification> => {
      const verification = await verifyPush(this.#signer, receipt, withinMs)
      notes.push(...(await this.#keep(receipt, verification)))
      return verification
    }
    return {before, pushMs, confirmedAt, notes, verify}
  }

  takeBack(taken: {change: TableChange; previous: TableChange}, withinMs: number): Promise<WriteBack> {
    return writeBack(this.#signer, taken, withinMs)
  }

  /** A token that is live somewhere and refused nowhere goes into the store, before somebody pushes from there. */
  async #keep({token}: Receipt, {outcomes, overtaken}: Verification): Promise<string[]> {
    const spoken = outcomes.filter(({outcome}) => outcome !== 'missing')
    if (this.#copy === undefined || overtaken || spoken.length === 0 || !spoken.every(isLive)) return []
    const trouble = await this.#copy.write(token.text)
    return trouble === undefined ? [] : [trouble]
  }
}

function wordsOf(durability: Durability | undefined): string[] {
  return durability === undefined ? [] : [`${durability.warning} ${durability.step}`]
}
