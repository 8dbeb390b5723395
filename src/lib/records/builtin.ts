import {keyFromText} from '../keys/nkey.js'

/** What a provider that is part of the host is known by, the same on every host. */
export interface BuiltinProvider {
  /** The artifact that starts it. */
  readonly ref: string
  readonly key: string
  readonly contract: string
  readonly name: string
  readonly version: string
}

/** The HTTP server provider inside our host. */
export const builtinHttpserver: BuiltinProvider = {
  ref: 'builtin:httpserver',
  key: keyFromText('V', 'lattice builtin:httpserver').publicKey,
  contract: 'wasmcloud:httpserver',
  name: 'httpserver',
  version: '0.1.0',
}
