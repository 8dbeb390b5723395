import type {Interfaces} from '@oclif/core'
import * as Flags from '@oclif/core/flags'

import type {ConnectFlags} from '../nats/flag-source.js'
import {durationFlag, latticeFlag} from './flags.js'

const helpGroup = 'CONNECTION'

/** The flags of every command that connects. */
export const connectionFlags = {
  server: Flags.string({
    char: 's',
    helpGroup,
    helpValue: 'URL',
    summary: 'Server address, several with commas (LATTICE_URL, NATS_URL).',
  }),
  context: Flags.string({
    helpGroup,
    helpValue: 'NAME',
    summary: 'Context to use, not the selected one; a name or the path of a file (LATTICE_CONTEXT).',
  }),
  'trust-context': Flags.boolean({
    helpGroup,
    summary: 'Let a context given by path read files, variables and secrets from anywhere.',
  }),
  creds: Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'Creds file of the user (LATTICE_CREDS, NATS_CREDS).',
  }),
  nkey: Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'File with the seed of the user (LATTICE_NKEY, NATS_NKEY).',
  }),
  user: Flags.string({
    helpGroup,
    helpValue: 'NAME',
    summary: 'User name; the password comes from LATTICE_PASSWORD or --password-file (LATTICE_USER, NATS_USER).',
  }),
  'password-file': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'File with the password of --user; - is stdin.',
  }),
  'tls-ca': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'Certificate authorities of the servers (LATTICE_TLS_CA, NATS_CA).',
  }),
  'tls-cert': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'Client certificate (LATTICE_TLS_CERT, NATS_CERT).',
  }),
  'tls-key': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: "Client certificate's key (LATTICE_TLS_KEY, NATS_KEY).",
  }),
  'tls-first': Flags.boolean({
    helpGroup,
    allowNo: true,
    summary: "TLS handshake before the server's first line (LATTICE_TLS_FIRST).",
  }),
  'socks-proxy': Flags.string({
    helpGroup,
    helpValue: 'URL',
    summary: 'SOCKS5 proxy to connect through (LATTICE_SOCKS_PROXY, NATS_SOCKS_PROXY).',
  }),
  'js-domain': Flags.string({
    helpGroup,
    helpValue: 'NAME',
    summary: 'JetStream domain (LATTICE_JS_DOMAIN).',
  }),
  'js-api-prefix': Flags.string({
    helpGroup,
    helpValue: 'SUBJECT',
    summary: 'Subject prefix of the JetStream API (LATTICE_JS_API_PREFIX).',
  }),
  'inbox-prefix': Flags.string({
    helpGroup,
    helpValue: 'SUBJECT',
    summary: 'Subject prefix for replies (LATTICE_INBOX_PREFIX).',
  }),
  lattice: latticeFlag({char: 'l', helpGroup, summary: 'Lattice to act on (LATTICE_LATTICE).'}),
  dialect: Flags.option({options: ['v0', 'v1'] as const})({
    helpGroup,
    summary: 'Speak to hosts of this dialect only (LATTICE_DIALECT).',
  }),
  timeout: durationFlag({
    helpGroup,
    summary: 'Longest wait in all, such as 5s or 500ms (LATTICE_TIMEOUT, NATS_TIMEOUT).',
  }),
  'connect-timeout': durationFlag({
    helpGroup,
    summary: 'Longest wait for the connection (LATTICE_CONNECT_TIMEOUT).',
  }),
  'sys-context': Flags.string({
    helpGroup,
    helpValue: 'NAME',
    summary: 'Context of a system-account user (LATTICE_SYS_CONTEXT).',
  }),
  'sys-creds': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'Creds file of a system-account user (LATTICE_SYS_CREDS).',
  }),
  'sys-account-seed-file': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: "System account's seed, to make a temporary user with (LATTICE_SYS_ACCOUNT_SEED_FILE).",
  }),
  'operator-seed-file': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'Operator signing key, for route changes (LATTICE_OPERATOR_SEED_FILE).',
  }),
  'nsc-store': Flags.string({
    helpGroup,
    helpValue: 'OPERATOR',
    summary: "nsc operator, or its store's folder, with the keys that no file gives (LATTICE_NSC_STORE).",
  }),
  'cluster-seed-file': Flags.string({
    helpGroup,
    helpValue: 'FILE',
    summary: 'Cluster seed that signs calls (LATTICE_CLUSTER_SEED_FILE).',
  }),
}

const {timeout: _timeout, 'connect-timeout': _connectTimeout, 'sys-creds': _sysCreds, ...stored} = connectionFlags

/** Those that a context can hold, and `context`, which says where to start from. */
export const storedConnectionFlags = stored

/** Those that the help of every command shows. */
export const usualConnectionFlags: ReadonlySet<string> = new Set(['server', 'context', 'creds', 'lattice', 'timeout'])

export type ConnectionFlags = Interfaces.InferredFlags<typeof connectionFlags>

/** What was typed, by the names that the library knows. */
export function connectFlags(flags: Partial<ConnectionFlags>): ConnectFlags {
  return {
    server: flags.server,
    context: flags.context,
    trustContext: flags['trust-context'],
    creds: flags.creds,
    nkey: flags.nkey,
    user: flags.user,
    passwordFile: flags['password-file'],
    tlsCa: flags['tls-ca'],
    tlsCert: flags['tls-cert'],
    tlsKey: flags['tls-key'],
    tlsFirst: flags['tls-first'],
    socksProxy: flags['socks-proxy'],
    jsDomain: flags['js-domain'],
    jsApiPrefix: flags['js-api-prefix'],
    inboxPrefix: flags['inbox-prefix'],
    lattice: flags.lattice,
    dialect: flags.dialect,
    timeout: flags.timeout,
    connectTimeout: flags['connect-timeout'],
    sysContext: flags['sys-context'],
    sysCreds: flags['sys-creds'],
    sysAccountSeedFile: flags['sys-account-seed-file'],
    operatorSeedFile: flags['operator-seed-file'],
    nscStore: flags['nsc-store'],
    clusterSeedFile: flags['cluster-seed-file'],
  }
}
