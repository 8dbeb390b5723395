import {shellWord} from '../entity/require.js'
import type {ConnectionFlags} from './connection-flags.js'

/** The flags that say where a command acts and as whom, with the letter some have; not those that say how long. */
const scopeFlags = {
  server: '-s',
  context: undefined,
  'trust-context': undefined,
  creds: undefined,
  nkey: undefined,
  user: undefined,
  'password-file': undefined,
  'tls-ca': undefined,
  'tls-cert': undefined,
  'tls-key': undefined,
  'tls-first': undefined,
  'socks-proxy': undefined,
  'js-domain': undefined,
  'js-api-prefix': undefined,
  'inbox-prefix': undefined,
  lattice: '-l',
  dialect: undefined,
  'sys-context': undefined,
  'sys-creds': undefined,
  'sys-account-seed-file': undefined,
  'operator-seed-file': undefined,
  'nsc-store': undefined,
  'cluster-seed-file': undefined,
} as const satisfies Partial<Record<keyof ConnectionFlags, string | undefined>>

type ScopeFlag = keyof typeof scopeFlags

/** Of route commands: how routes become live and where they are recorded. */
const routeFlags = [
  'driver',
  'leaf',
  'leaf-key',
  'control-plane-account',
  'config',
  'mappings-file',
  'pid',
  'configmap',
  'apply-with',
  'monitor-url',
  'state',
  'services',
] as const

type RouteFlag = (typeof routeFlags)[number]

/** Of the commands that change no route: where services are declared. */
const declaring = ['services'] as const

/** What was typed of the flags that say where a command acts. */
export type TypedScope = Readonly<
  Partial<Record<ScopeFlag, string | boolean | undefined> & Record<RouteFlag, string | readonly string[] | undefined>>
>

/** Of all that was typed, what says where the command acts. */
export function typedScope(flags: Partial<ConnectionFlags>): TypedScope {
  const typed: Readonly<Record<string, unknown>> = flags
  return Object.fromEntries([...Object.keys(scopeFlags), ...routeFlags].map((flag) => [flag, typed[flag]]))
}

// These act on this machine and know none of the flags.
const localLine = /^lattice (?:up|down|status|completion|context (?!check)|claims (?:sign|inspect))\b|--help/

/**
 * A line of this tool with the flags that were typed now, so that it acts where the present command does when it is
 * pasted; anything else as it is.
 */
export function inScope(line: string, typed: TypedScope): string {
  if (!line.startsWith('lattice ') || localLine.test(line)) return line
  const words = new Set(line.split(' ').map((word) => word.replace(/=.*/, '')))
  const missing = Object.entries(scopeFlags).flatMap(([flag, letter]) => {
    const value = typed[flag as ScopeFlag]
    const there = words.has(`--${flag}`) || (letter !== undefined && words.has(letter))
    if (value === undefined || there) return []
    if (typeof value === 'boolean') return [`--${value ? '' : 'no-'}${flag}`]
    return [`--${flag}`, shellWord(value)]
  })
  return [line, ...missing, ...missingOfRoute(line, typed)].join(' ')
}

function missingOfRoute(line: string, typed: TypedScope): string[] {
  const flags = line.startsWith('lattice route ') ? routeFlags : /^lattice (?:call|entity) /.test(line) ? declaring : []
  return flags.flatMap((flag) => {
    const value = typed[flag]
    if (value === undefined || line.includes(` --${flag}`)) return []
    return (typeof value === 'string' ? [value] : value).flatMap((one) => [`--${flag}`, shellWord(one)])
  })
}
