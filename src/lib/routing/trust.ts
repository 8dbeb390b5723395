/** One operator that a server trusts, from its VARZ. */
export interface TrustedOperator {
  /** Identity key `O…`. */
  readonly key: string
  readonly name?: string
  readonly signingKeys: readonly string[]
  /** Only signing keys may issue accounts. */
  readonly strict: boolean
}

/** A server with the operators it names; a server configured with bare trusted keys names none. */
export interface ServerTrust {
  readonly server: string
  readonly operators: readonly TrustedOperator[]
}

/** Who would sign, and who signed what is there now. */
export interface TrustQuestion {
  readonly signer: string
  readonly issuer: string
  /** Servers that run the account under the issuer's token: where no operator is named, that is the proof of trust. */
  readonly liveOn: readonly string[]
  readonly servers: readonly ServerTrust[]
}

export type TrustVerdict = {readonly kind: 'trusted'} | {readonly kind: 'untrusted'; readonly reason: string}

/**
 * Judges before a push whether every server will take a token of this signer. It must not be found out by pushing: an
 * untrusted token is answered 200, replaces the stored one and locks the account out.
 */
export function judgeTrust({signer, issuer, liveOn, servers}: TrustQuestion): TrustVerdict {
  for (const {server, operators} of servers) {
    if (operators.length === 0) {
      if (signer === issuer && liveOn.includes(server)) continue
      return untrusted(
        `server '${server}' does not say whom it trusts, and the present token was signed by another key`,
      )
    }
    const operator = operators.find(({key, signingKeys}) => key === signer || signingKeys.includes(signer))
    if (operator === undefined) {
      return untrusted(
        `server '${server}' trusts ${operators.map(describe).join(' and ')}, and the key is none of theirs`,
      )
    }
    if (operator.strict && operator.key === signer) {
      return untrusted(
        `operator ${describe(operator)} lets only its signing keys issue accounts, and this is its identity key`,
      )
    }
    if (operator.key !== issuer && !operator.signingKeys.includes(issuer)) {
      return untrusted(
        `the present token was signed by '${issuer}', which does not belong to operator ${describe(operator)}`,
      )
    }
  }
  return {kind: 'trusted'}
}

function describe({key, name}: TrustedOperator): string {
  return name === undefined || name === '' ? `'${key}'` : `'${name}' (${key})`
}

function untrusted(reason: string): TrustVerdict {
  return {kind: 'untrusted', reason}
}
