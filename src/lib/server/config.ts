/** All that the configuration of the embedded server depends on. */
export interface ServerConfig {
  readonly name: string
  /** -1 lets the system choose. */
  readonly port: number
  /** The operator's token. */
  readonly operator: string
  readonly systemAccount: string
  /** Folders and files, absolute. */
  readonly accountsFolder: string
  readonly storeFolder: string
  readonly portsFolder: string
  readonly logFile: string
  readonly pidFile: string
}

/**
 * The configuration file of the embedded server: operator mode with a full resolver, JetStream on disk, loopback only,
 * no monitoring port. Accounts lie in the resolver's folder and not in a preload, which would win over routes that
 * were pushed when it is newer.
 */
export function renderServerConfig(config: ServerConfig): string {
  const text = JSON.stringify
  return `# Written by lattice up; changes are lost at the next one.
server_name: ${text(config.name)}
listen: ${text(`127.0.0.1:${config.port}`)}
operator: ${config.operator}
system_account: ${config.systemAccount}
resolver {
  type: full
  dir: ${text(config.accountsFolder)}
  allow_delete: false
  interval: "2m"
}
jetstream {
  store_dir: ${text(config.storeFolder)}
}
log_file: ${text(config.logFile)}
logfile_size_limit: 10MB
logfile_max_num: 3
pid_file: ${text(config.pidFile)}
ports_file_dir: ${text(config.portsFolder)}
`
}
