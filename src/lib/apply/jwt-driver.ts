import {LatticeError} from '../errors.js'
import {readAccount, type AccountView} from './account-state.js'
import {
  SentUnknownError,
  type Applied,
  type ApplyOptions,
  type Driver,
  type ReadOptions,
  type TableChange,
  type Verification,
  type WriteBack,
} from './driver.js'
import {checkTrust, prepareChange, sendChange, type TokenSigner} from './push.js'
import {verifyPush} from './verify.js'
import {writeBack} from './write-back.js'

/** Routes by signed account tokens that every server is sent. */
export class JwtDriver implements Driver {
  readonly name = 'jwt'
  readonly #signer: TokenSigner

  private constructor(signer: TokenSigner) {
    this.#signer = signer
  }

  /** Checks that the key, where there is one, will do for the account as it is; throws what checkTrust throws. */
  static open(signer: TokenSigner, view: AccountView): JwtDriver {
    checkTrust(signer, view)
    return new JwtDriver(signer)
  }

  /** A plan may be made where no key is; that the key will do is then not known. */
  get notes(): readonly string[] {
    return this.#signer.key === undefined ? ['No operator signing key is known here, so none was checked.'] : []
  }

  read(options?: ReadOptions): Promise<AccountView> {
    return readAccount(this.#signer, options)
  }

  async apply(change: TableChange, options?: ApplyOptions): Promise<Applied> {
    const prepared = await prepareChange(this.#signer, change, options)
    const receipt = await sendChange(this.#signer, prepared).catch((error: unknown) => {
      throw error instanceof LatticeError ? new SentUnknownError(error) : error
    })
    const {before, pushMs, confirmedAt} = receipt
    const verify = (withinMs: number): Promise<Verification> => verifyPush(this.#signer, receipt, withinMs)
    return {before, pushMs, confirmedAt, notes: [], verify}
  }

  takeBack(taken: {change: TableChange; previous: TableChange}, withinMs: number): Promise<WriteBack> {
    return writeBack(this.#signer, taken, withinMs)
  }
}
