/** Subjects of the v0 control protocol (§2), for hosts and for who asks them. */
export interface ControlSubjects {
  readonly ping: string
  readonly claims: string
  readonly links: string
  readonly putLink: string
  readonly deleteLink: string
  readonly events: string
  readonly inventory: (host: string) => string
  /** `la`, `sa`, `scale`, `upd`, `lp`, `sp` or `stop`. */
  readonly command: (host: string, command: HostCommand) => string
}

export const hostCommands = ['la', 'sa', 'scale', 'upd', 'lp', 'sp', 'stop'] as const
export type HostCommand = (typeof hostCommands)[number]

/** The subjects of one lattice. */
export function controlSubjects(lattice: string): ControlSubjects {
  const prefix = `wasmbus.ctl.${lattice}`
  return {
    ping: `${prefix}.ping.hosts`,
    claims: `${prefix}.get.claims`,
    links: `${prefix}.get.links`,
    putLink: `${prefix}.linkdefs.put`,
    deleteLink: `${prefix}.linkdefs.del`,
    events: `wasmbus.evt.${lattice}`,
    inventory: (host) => `${prefix}.get.${host}.inv`,
    command: (host, command) => `${prefix}.cmd.${host}.${command}`,
  }
}
