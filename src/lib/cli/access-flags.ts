import * as Flags from '@oclif/core/flags'

import {UsageError} from '../errors.js'
import {expandHome} from '../files/paths.js'
import {parseMonitorUrl} from '../nats/monitor-url.js'
import type {RouteAccess} from '../routes/access.js'
import {parseConfigMapName} from '../routing/config-map-name.js'
import {driverNames, type DriverName} from '../routing/driver-names.js'
import {durationFlag} from './flags.js'
import {parseRouteState} from './route-state.js'
import {servicesFlag} from './services-flag.js'

const helpGroup = 'DRIVER'

/** How routes become live and where they are recorded, where that cannot be found out. */
export const accessFlags = {
  driver: Flags.custom<DriverName | 'print'>({options: [...driverNames, 'print']})({
    helpGroup,
    summary:
      'By signed tokens, configuration files, leaf nodes of ours or a control plane (LATTICE_DRIVER); default: tokens or files, as the account is. print writes out what would be applied, and changes and records nothing.',
  }),
  leaf: Flags.string({
    helpGroup,
    helpValue: 'NAME',
    summary:
      'Leaf nodes that split, by the name that `lattice leaf run` gave them (LATTICE_LEAF); implies --driver leaf.',
  }),
  'leaf-key': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary:
      'User seed that changes at leaf nodes are signed with; default: that of the credentials (LATTICE_LEAF_KEY_FILE).',
  }),
  'control-plane-account': Flags.string({
    helpGroup,
    helpValue: 'ID',
    summary:
      'Account by its id in the control plane of LATTICE_CP_URL (LATTICE_CP_ACCOUNT); default: found by its key. Implies --driver controlplane.',
  }),
  config: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'FILE',
    summary: 'Main configuration file of each server (LATTICE_SERVER_CONFIG, with commas between).',
  }),
  'mappings-file': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'File that the configuration includes for our mappings; default: lattice-mappings.conf beside it.',
  }),
  pid: Flags.string({helpGroup, helpValue: 'PID', summary: 'Process id or pid file of the one server to reload.'}),
  'render-to': Flags.string({
    helpGroup,
    helpValue: 'DIR',
    summary: 'Write the file of mappings of each server there, for you to put in place.',
  }),
  configmap: Flags.string({
    helpGroup,
    helpValue: 'NAMESPACE/NAME',
    summary:
      'ConfigMap of Kubernetes that all servers mount for our mappings (LATTICE_CONFIGMAP); see docs/kubernetes.md.',
  }),
  'apply-with': Flags.string({
    helpGroup,
    helpValue: 'CMD',
    summary:
      "Command that applies it from standard input, such as 'kubectl apply -f -' (LATTICE_APPLY_WITH); without it the manifest is written out.",
  }),
  wait: durationFlag({
    helpGroup,
    summary: 'With --apply-with: how long all servers may take to load it; default 3m.',
  }),
  'monitor-url': Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'URL',
    summary: "A server's monitoring port, where no system credentials are at hand (LATTICE_MONITOR_URL).",
  }),
  state: Flags.string({
    helpGroup,
    helpValue: 'file:PATH|none',
    summary: 'Where records are kept without JetStream; then there is no history (LATTICE_STATE).',
  }),
  services: servicesFlag,
  'accept-unverified': Flags.boolean({
    helpGroup,
    default: false,
    summary: 'Exit with 0 also where nothing can show that a change is live.',
  }),
}

interface AccessFlags {
  readonly driver?: DriverName | 'print' | undefined
  readonly leaf?: string | undefined
  readonly 'leaf-key'?: string | undefined
  readonly 'control-plane-account'?: string | undefined
  readonly config?: readonly string[] | undefined
  readonly 'mappings-file'?: string | undefined
  readonly pid?: string | undefined
  readonly 'render-to'?: string | undefined
  readonly configmap?: string | undefined
  readonly 'apply-with'?: string | undefined
  readonly wait?: number | undefined
  readonly 'monitor-url'?: readonly string[] | undefined
  readonly state?: string | undefined
  readonly services?: string | undefined
  readonly 'accept-unverified'?: boolean
}

/** What flags, and variables where there are none, say about access; throws a UsageError. */
export function routeAccess(flags: AccessFlags, env: NodeJS.ProcessEnv = process.env): RouteAccess {
  const state = flags.state ?? env['LATTICE_STATE']
  const leaf = flags.leaf ?? textOf(env['LATTICE_LEAF'])
  const configMap = flags.configmap ?? textOf(env['LATTICE_CONFIGMAP'])
  const monitors = flags['monitor-url'] ?? listed(env['LATTICE_MONITOR_URL'])
  return {
    driver: driverOf(flags, leaf, env),
    leaf,
    leafKeyFile: expanded(flags['leaf-key'] ?? env['LATTICE_LEAF_KEY_FILE']),
    controlPlane: {
      url: textOf(env['LATTICE_CP_URL']),
      tokenFile: expanded(env['LATTICE_CP_TOKEN_FILE']),
      account: flags['control-plane-account'] ?? textOf(env['LATTICE_CP_ACCOUNT']),
    },
    files: (flags.config ?? listed(env['LATTICE_SERVER_CONFIG'])).flatMap(listed).map(expandHome),
    mappingsFile: flags['mappings-file'],
    pid: flags.pid,
    renderTo: expanded(flags['render-to']),
    configMap: configMap === undefined ? undefined : parseConfigMapName(configMap),
    applyWith: flags['apply-with'] ?? textOf(env['LATTICE_APPLY_WITH']),
    waitMs: flags.wait,
    monitors: monitors.map(parseMonitorUrl),
    state: state ? parseRouteState(state) : undefined,
    acceptUnverified: flags['accept-unverified'] ?? false,
  }
}

/** What is printed is what the account's own way would apply. */
function driverOf(
  {driver: flag, 'control-plane-account': managed}: AccessFlags,
  leaf: string | undefined,
  env: NodeJS.ProcessEnv,
): DriverName | undefined {
  if (flag !== undefined && flag !== 'print') return flag
  if (managed !== undefined) return 'controlplane'
  const named = textOf(env['LATTICE_DRIVER'])
  if (named !== undefined && !isDriver(named)) {
    throw new UsageError(`LATTICE_DRIVER=${named} is no driver.`, {suggestions: [driverNames.join(', ')]})
  }
  return named ?? (leaf === undefined ? undefined : 'leaf')
}

function isDriver(text: string): text is DriverName {
  return driverNames.some((name) => name === text)
}

function expanded(path: string | undefined): string | undefined {
  return path ? expandHome(path) : undefined
}

function textOf(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}

function listed(text: string | undefined): string[] {
  return text?.split(',').filter((one) => one !== '') ?? []
}
