import {UsageError} from '../errors.js'
import {Lattice} from '../lattice.js'
import {readContext} from '../nats/context-files.js'
import {contextSpec} from '../nats/resolve-spec.js'
import type {ConnectSpec} from '../nats/spec.js'

/** What another lattice is named by, beside the one that a command acts on. */
export interface Against {
  /** A context; its servers and credentials are its own, whatever flags and environment say about the other one. */
  readonly context?: string | undefined
  /** Name of a lattice; default that of the context, else the one that the command acts on. */
  readonly lattice?: string | undefined
  /** A context given by path may read files, variables and secrets from anywhere. */
  readonly trust?: boolean | undefined
}

/** Opens a second lattice to compare the first with; throws a UsageError when it is the same one. */
export async function openAgainst({spec}: Lattice, against: Against): Promise<Lattice> {
  return Lattice.open(await againstSpec(spec, against))
}

async function againstSpec(spec: ConnectSpec, {context, lattice, trust = false}: Against): Promise<ConnectSpec> {
  const other = context === undefined ? undefined : await readContext(context, {trust})
  const {timeoutMs, connectTimeoutMs} = spec
  const base = other === undefined ? spec : {...(await contextSpec(other)), timeoutMs, connectTimeoutMs}
  const name = lattice ?? (other?.lattice.lattice === undefined ? spec.lattice : base.lattice)
  if (name === spec.lattice && (other === undefined || other.name === spec.context)) {
    throw new UsageError(`The lattice '${name}' would be compared with itself.`, {
      suggestions: ['--against-context NAME', '--against-lattice NAME'],
    })
  }
  return {...base, lattice: name}
}
