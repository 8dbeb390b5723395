import type {Version} from '../entity/version.js'

/** The wire protocol a host speaks: v0 before wasmCloud 1.0, with or without versioned RPC; v1 since. */
export type DialectName = 'v0' | 'v1'

/** Label by which a host says that it knows versions: sending it one it would ignore could stop what runs (§8.2 #20). */
export const versionedLabel = 'lattice.versioned-rpc'

/** A host that answered a ping. */
export interface HostPing {
  /** Public key `N…`. */
  readonly id: string
  /** Friendly name. */
  readonly name: string
  /** Of the host program. */
  readonly version: string
  readonly labels: Readonly<Record<string, string>>
  readonly uptimeSeconds: number
  readonly lattice: string
  readonly dialect: DialectName
  /** Knows versions of one key and the fields `version` and `dark`. */
  readonly versioned: boolean
}

/** The running copies of one version of an actor on one host. */
export interface ActorInstance {
  readonly version?: Version
  readonly imageRef?: string
  /** Greatest number of concurrent calls, or number of copies on hosts that count those. */
  readonly count: number
  /** Live workers; our hosts only. */
  readonly workers?: number
  /** Listens on its versioned subject only. */
  readonly dark: boolean
  readonly annotations: Readonly<Record<string, string>>
  readonly instanceId?: string
}

export interface ActorInventory {
  readonly key: string
  readonly name?: string
  /** Sorted by version. */
  readonly instances: readonly ActorInstance[]
}

export interface ProviderInventory {
  readonly key: string
  /** Link name. */
  readonly link: string
  readonly contract: string
  readonly name?: string
  readonly version?: Version
  readonly imageRef?: string
  readonly dark: boolean
  readonly annotations: Readonly<Record<string, string>>
  readonly instanceId?: string
  /** What each link came to; providers inside our hosts only. */
  readonly links?: readonly LinkState[]
}

/** What a provider made of one link. */
export interface LinkState {
  /** Public key of the linked actor. */
  readonly actor: string
  /** `host:port` that answers. */
  readonly address?: string
  /** Why nothing answers. */
  readonly error?: string
}

/** A host and all that runs on it, sorted by key. */
export interface HostInventory {
  readonly host: Pick<HostPing, 'id' | 'name' | 'labels' | 'versioned'> & {
    readonly version?: string
    readonly uptimeSeconds?: number
  }
  readonly actors: readonly ActorInventory[]
  readonly providers: readonly ProviderInventory[]
}

type Annotations = Readonly<Record<string, string>>

/** `version` and `dark` are for hosts that are versioned. */
export interface StartActor {
  readonly ref: string
  readonly count: number
  readonly dark?: boolean
  readonly annotations?: Annotations
}

/** Count 0 stops all copies; version `*` means every version. */
export interface StopActor {
  readonly key: string
  readonly version?: string
  readonly count: number
}

/** `dark: false` makes a dark version listen on the unversioned subject too. */
export interface ScaleActor {
  readonly key: string
  readonly ref: string
  readonly count: number
  readonly version?: string
  readonly dark?: boolean
  readonly annotations?: Annotations
}

export interface UpdateActor {
  readonly key: string
  readonly ref: string
  readonly version?: string
}

export interface StartProvider {
  readonly ref: string
  readonly link: string
  /** Configuration text handed to the provider. */
  readonly config?: string
  readonly dark?: boolean
  readonly annotations?: Annotations
}

export interface StopProvider {
  readonly key: string
  readonly link: string
  readonly contract: string
  readonly version?: string
}

/** What a host says to a request that changes something. */
export interface Ack {
  readonly accepted: boolean
  /** Why not; empty when accepted. */
  readonly error: string
  /** Versions to choose from, when the request named none and several run; our hosts only. */
  readonly candidates?: readonly AckCandidate[]
}

export interface AckCandidate {
  readonly version: string
  readonly count: number
}

/** Something that happened in a lattice. */
export interface LatticeEvent {
  readonly id: string
  /** Such as `actors_started`. */
  readonly name: string
  /** Public key of the host that tells. */
  readonly source: string
  /** ISO time. */
  readonly time?: string
  readonly data: Readonly<Record<string, unknown>>
}
