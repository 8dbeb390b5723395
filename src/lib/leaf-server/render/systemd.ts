import {withoutUserInfo} from '../../nats/addresses.js'
import {formatListen} from '../settings.js'
import {credentialsFile, plainPath, type NeededFile, type RenderPlan} from './plan.js'

/** A unit that runs `lattice leaf run` as a user of its own, with its secrets as credentials of systemd. */
export function renderUnit(plan: RenderPlan): string {
  const {settings, spec} = plan
  const files = neededFiles(plan)
  const loads = files.map(({name, path}) => `LoadCredential=${name}:${escapeUnit(path ?? `/etc/lattice/${name}`)}`)
  const missing = files
    .filter(({path}) => path === undefined)
    .map(({name}) => `# Put it there first: /etc/lattice/${name}`)
  return [
    `# /etc/systemd/system/lattice-leaf-${settings.name}.service`,
    ...missing,
    '[Unit]',
    `Description=Leaf node '${settings.name}' of lattice '${spec.lattice}'`,
    'Wants=network-online.target',
    'After=network-online.target',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=/usr/bin/env lattice ${argumentsOf(plan).map(quoteUnit).join(' ')}`,
    ...loads,
    'DynamicUser=yes',
    `StateDirectory=lattice-leaf-${settings.name}`,
    'StateDirectoryMode=0700',
    `Environment=XDG_STATE_HOME=%S/lattice-leaf-${settings.name} XDG_CACHE_HOME=%S/lattice-leaf-${settings.name}`,
    'Restart=on-failure',
    'RestartSec=5',
    'TimeoutStopSec=20',
    'LimitNOFILE=65536',
    ...hardening,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n')
}

/** The program that runs it makes code as it goes, so memory may be both written and run. */
const hardening = [
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=',
  'PrivateDevices=yes',
  'PrivateTmp=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHome=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectSystem=strict',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'UMask=0077',
]

/** Everything that is secret, or that only root may be able to read. */
function neededFiles({spec, settings}: RenderPlan): NeededFile[] {
  const {tls = {}} = spec
  const files: [string, string | undefined][] = [
    ['ca.pem', tls.ca],
    ['cert.pem', tls.cert],
    ['key.pem', tls.key],
    ['leaf.nk', settings.leafKeyFile],
    ['users.conf', settings.usersFile],
  ]
  const given = files.flatMap(([name, file]) => (file === undefined ? [] : [{name, path: plainPath(file)}]))
  return [...[credentialsFile(spec)].filter((file) => file !== undefined), ...given]
}

function argumentsOf({spec, settings, remotes}: RenderPlan): string[] {
  const {name, sources, accountWide, listen, acceptKeys, allow, leafKeyFile, usersFile} = settings
  const {tls = {}} = spec
  const optional = (flag: string, given: unknown, file: string): string[] =>
    given === undefined ? [] : [flag, `%d/${file}`]
  return [
    ...['leaf', 'run', '--name', name, '--lattice', spec.lattice],
    ...['--server', spec.servers.map(withoutUserInfo).join(',')],
    ...loginArguments(spec),
    ...optional('--tls-ca', tls.ca, 'ca.pem'),
    ...optional('--tls-cert', tls.cert, 'cert.pem'),
    ...optional('--tls-key', tls.key, 'key.pem'),
    ...(tls.handshakeFirst === true ? ['--tls-first'] : []),
    ...sources.flatMap((source) => ['--source', source]),
    ...(accountWide ? ['--account-wide'] : []),
    ...['--listen', formatListen(listen)],
    ...remotes.flatMap((url) => ['--remote', url]),
    ...acceptKeys.flatMap((key) => ['--accept-key', key]),
    ...optional('--leaf-key', leafKeyFile, 'leaf.nk'),
    ...optional('--users-file', usersFile, 'users.conf'),
    ...allow.flatMap((rule) => ['--allow', rule]),
    '--json',
  ]
}

function loginArguments({credentials}: RenderPlan['spec']): string[] {
  switch (credentials?.kind) {
    case undefined:
      return []
    case 'creds':
    case 'jwt':
      return ['--creds', '%d/user.creds']
    case 'nkey':
      return ['--nkey', '%d/user.nk']
    case 'user':
      return ['--user', credentials.user, '--password-file', '%d/password']
    case 'token':
      return ['--context', '%d/context.json', '--trust-context']
  }
}

/** A word of a command line in a unit; `%d` stays, all else that systemd would replace is kept from it. */
function quoteUnit(word: string): string {
  if (word.startsWith('%d/')) return word
  const escaped = escapeUnit(word).replaceAll('$', '$$$$')
  return /^[\w./:@%,=+$*>-]+$/.test(escaped) ? escaped : `"${escaped.replace(/["\\]/g, '\\$&')}"`
}

function escapeUnit(text: string): string {
  return text.replaceAll('%', '%%')
}
