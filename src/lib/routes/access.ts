import type {RolloutEvent} from '../apply/config-map-wait.js'
import type {ControlPlaneAccess} from '../control-plane/open.js'
import type {ConfigMapName} from '../routing/config-map-name.js'
import type {DriverName} from '../routing/driver-names.js'

import type {ServicesPlace} from '../services/services-file-find.js'

/** How routes are to be read and changed, where that is not the servers' own way: flags of every route command. */
export interface RouteAccess {
  /** Default: by tokens where the account has one, else by configuration files. */
  readonly driver?: DriverName | undefined
  /** Name of the leaf nodes that split, where several kinds of them run. */
  readonly leaf?: string | undefined
  /** File with the user seed `SU…` that changes at leaf nodes are signed with; default: that of the credentials. */
  readonly leafKeyFile?: string | undefined
  /** Where the control plane is, and who we are to it. */
  readonly controlPlane?: ControlPlaneAccess | undefined
  /** Main configuration files, one a server. */
  readonly files?: readonly string[] | undefined
  /** Our file of mappings, where it is not beside the main file by its usual name. */
  readonly mappingsFile?: string | undefined
  /** Process id or pid file of the one server, where reloading is not a matter for the system account. */
  readonly pid?: string | undefined
  /** Folder for files that somebody else brings to the servers. */
  readonly renderTo?: string | undefined
  /** The ConfigMap that all servers mount for our mappings. */
  readonly configMap?: ConfigMapName | undefined
  /** Shell command that takes its manifest on standard input and brings it to the cluster. */
  readonly applyWith?: string | undefined
  /** How long all servers may take to load it then, in milliseconds. */
  readonly waitMs?: number | undefined
  /** Who is told how far that is, and what ends the wait; asked for when the manifest is handed over. */
  readonly rollout?:
    {readonly report: (event: RolloutEvent) => void; readonly signal?: (() => AbortSignal) | undefined} | undefined
  /** Monitoring ports to ask where no system credentials are at hand. */
  readonly monitors?: readonly URL[] | undefined
  /** Where records are kept: in JetStream by default, in a file, or nowhere. */
  readonly state?: RouteState | undefined
  /** Where services may be declared that do not answer for themselves, and who is told of the file. */
  readonly services?: (ServicesPlace & {readonly tell?: (told: ToldServices) => void}) | undefined
  /** Changes whose outcome nothing can show are no failure. */
  readonly acceptUnverified?: boolean | undefined
}

/** A file that nobody named and that declares services. */
export interface ToldServices {
  readonly file: string
  /** True when what it declares is among what a command may act on. */
  readonly used: boolean
}

export type RouteState = {readonly kind: 'file'; readonly path: string} | {readonly kind: 'none'}
