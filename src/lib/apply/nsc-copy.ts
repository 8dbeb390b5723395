import {LatticeError} from '../errors.js'
import type {ConnectSpec} from '../nats/spec.js'
import {
  compareNscToken,
  describeNscDrift,
  NscDriftError,
  readNscAccountToken,
  writeNscAccountToken,
  type NscAccountToken,
} from '../nsc/account-token.js'
import {openNscOperator, type NscOperator} from '../nsc/operator.js'
import type {AccountToken} from '../routing/account-jwt.js'

/** The account in the nsc store that the operator's key comes from: the next push from there must not undo a route. */
export interface NscCopy {
  /** The token that is in the store; undefined when the store does not have the account. */
  readonly token: NscAccountToken | undefined
  /** Throws an NscDriftError when store and servers differ in more than the mappings that lattice made. */
  check: (live: string) => Promise<void>
  /** What differs between store and servers, as a sentence; undefined when nothing does. */
  describe: (live: string) => Promise<string | undefined>
  /** Puts a token that is live into the store; what hinders it, as a sentence. */
  write: (live: string) => Promise<string | undefined>
}

/** Sources whose mappings lattice made, by its records. */
export type OwnSources = () => Promise<readonly string[]>

/** Opens the copy where the operator's key is one of an nsc store; undefined where it is not. */
export async function openNscCopy(
  {nscStore, operatorKeyFile}: Pick<ConnectSpec, 'nscStore' | 'operatorKeyFile'>,
  account: string,
  ownSources: OwnSources,
): Promise<NscCopy | undefined> {
  if (nscStore === undefined || operatorKeyFile !== undefined) return undefined
  const operator = await openNscOperator(nscStore)
  return copyOf(operator, account, ownSources)
}

async function copyOf(operator: NscOperator, account: string, ownSources: OwnSources): Promise<NscCopy> {
  let token = await readNscAccountToken(operator, account)
  const compare = async (live: string): Promise<ReturnType<typeof compareNscToken>> => {
    token = await readNscAccountToken(operator, account)
    if (token === undefined || token.text === live) return {kind: 'same'}
    const own = new Set(await ownSources())
    return compareNscToken(token.text, live, (source) => own.has(source))
  }
  return {
    get token() {
      return token
    },
    check: async (live) => {
      const drift = await compare(live)
      if (drift.kind === 'foreign') throw new NscDriftError(token!, drift)
    },
    describe: async (live) => {
      const drift = await compare(live)
      return token && describeNscDrift(token, drift)
    },
    write: async (live) => {
      try {
        if (token !== undefined) await writeNscAccountToken(token, live)
        return undefined
      } catch (error) {
        if (error instanceof LatticeError) return error.message
        throw error
      }
    },
  }
}

/** What differs between the servers and the nsc store that the operator's key comes from, as a sentence. */
export async function describeDrift(
  spec: Pick<ConnectSpec, 'nscStore' | 'operatorKeyFile'>,
  {account, text}: Pick<AccountToken, 'account' | 'text'>,
  ownSources: OwnSources,
): Promise<string | undefined> {
  return (await openNscCopy(spec, account, ownSources))?.describe(text)
}
