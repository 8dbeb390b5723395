import {ConnectionError} from '../errors.js'
import type {Clock} from '../clock.js'
import {readSecretFile} from '../nats/secret-files.js'
import {ControlPlane} from './client.js'
import {tokenVariable} from './errors.js'
import {parseControlPlaneUrl} from './url.js'

/** Where a control plane is and who we are to it, as variables and flags say. */
export interface ControlPlaneAccess {
  readonly url?: string | undefined
  /** File with the token. */
  readonly tokenFile?: string | undefined
  /** Id of the account, where it is not to be looked for by its key. */
  readonly account?: string | undefined
}

/** A client of the control plane; throws a ConnectionError that names what is not set or not readable. */
export async function openControlPlane(
  {url, tokenFile}: ControlPlaneAccess,
  options: {readonly timeoutMs: number; readonly clock?: Clock | undefined},
): Promise<ControlPlane> {
  if (url === undefined || tokenFile === undefined) {
    throw new NoControlPlaneError([
      ...(url === undefined ? ['LATTICE_CP_URL=https://cloud.synadia.com, or the address of your own'] : []),
      ...(tokenFile === undefined ? [`${tokenVariable}=FILE with a personal access token`] : []),
    ])
  }
  const {text} = await readSecretFile(tokenFile, {purpose: 'control plane token file'})
  const token = text.trim()
  // Anything else would end the header, or show in the error that says so.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new ConnectionError(`The control plane token file '${tokenFile}' does not hold one token.`, {
      suggestions: [`${tokenVariable}=FILE with the token and nothing else`],
      details: {file: tokenFile},
    })
  }
  return new ControlPlane({url: parseControlPlaneUrl(url), token, ...options})
}

/** The driver needs to know where the control plane is, and a token for it. */
export class NoControlPlaneError extends ConnectionError {
  constructor(suggestions: readonly string[]) {
    super('Routes through a control plane need its address and a token, and not both are set.', {suggestions})
  }
}
