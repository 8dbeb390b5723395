import * as Flags from '@oclif/core/flags'

import {expandHome} from '../files/paths.js'
import {parseMonitorUrl} from '../nats/monitor-url.js'
import type {RouteAccess} from '../routes/access.js'
import {parseRouteState} from './route-state.js'

const helpGroup = 'DRIVER'

/** How routes become live and where they are recorded, where that cannot be found out. */
export const accessFlags = {
  driver: Flags.custom<'jwt' | 'config' | 'print'>({options: ['jwt', 'config', 'print']})({
    helpGroup,
    summary:
      'By signed tokens, or by configuration files; default: what the account is. print writes out what would be applied, and changes and records nothing.',
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
  'accept-unverified': Flags.boolean({
    helpGroup,
    default: false,
    summary: 'Exit with 0 also where nothing can show that a change is live.',
  }),
}

interface AccessFlags {
  readonly driver?: 'jwt' | 'config' | 'print' | undefined
  readonly config?: readonly string[] | undefined
  readonly 'mappings-file'?: string | undefined
  readonly pid?: string | undefined
  readonly 'render-to'?: string | undefined
  readonly 'monitor-url'?: readonly string[] | undefined
  readonly state?: string | undefined
  readonly 'accept-unverified'?: boolean
}

/** What flags, and variables where there are none, say about access; throws a UsageError. */
export function routeAccess(flags: AccessFlags, env: NodeJS.ProcessEnv = process.env): RouteAccess {
  const state = flags.state ?? env['LATTICE_STATE']
  const monitors = flags['monitor-url'] ?? listed(env['LATTICE_MONITOR_URL'])
  return {
    driver: flags.driver === 'print' ? undefined : flags.driver,
    files: (flags.config ?? listed(env['LATTICE_SERVER_CONFIG'])).flatMap(listed).map(expandHome),
    mappingsFile: flags['mappings-file'],
    pid: flags.pid,
    renderTo: flags['render-to'] && expandHome(flags['render-to']),
    monitors: monitors.map(parseMonitorUrl),
    state: state ? parseRouteState(state) : undefined,
    acceptUnverified: flags['accept-unverified'] ?? false,
  }
}

function listed(text: string | undefined): string[] {
  return text?.split(',').filter((one) => one !== '') ?? []
}
