import type {ConfigServers} from './config-servers.js'
import type {OperatorServer} from './nats-server.js'

type Env = Readonly<Record<string, string | undefined>>

/** What a program needs to change routes of an account by tokens, and nothing of the machine that runs the tests. */
export function operatorEnv(server: OperatorServer, urls: readonly string[] = [server.url]): Env {
  return {
    ...nothingElse(server.dir),
    LATTICE_URL: urls.join(','),
    LATTICE_CREDS: server.credsFile,
    LATTICE_SYS_CREDS: server.sysCredsFile,
    LATTICE_OPERATOR_SEED_FILE: server.operatorKeyFile,
  }
}

/** The same by configuration files, one a server. */
export function configEnv({servers, mains, spec}: ConfigServers): Env {
  return {
    ...nothingElse(servers[0]!.dir),
    LATTICE_URL: servers.map(({url}) => url).join(','),
    LATTICE_USER: 'app',
    LATTICE_PASSWORD: 'app',
    LATTICE_SYS_CONTEXT: spec().sysContext,
    LATTICE_SERVER_CONFIG: mains.join(','),
  }
}

function nothingElse(dir: string): Env {
  return {XDG_CONFIG_HOME: dir, LATTICE_CONTEXT: undefined, CI: undefined}
}
