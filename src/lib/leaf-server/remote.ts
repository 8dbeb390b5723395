import {ConnectionError, UsageError} from '../errors.js'
import {writeFileAtomic} from '../files/write-file.js'
import {credsText} from '../keys/operator.js'
import {withoutUserInfo} from '../nats/addresses.js'
import {readSeed} from '../nats/creds.js'
import {readSecretFile} from '../nats/secret-files.js'
import {readReference, readSecret} from '../nats/secrets.js'
import type {ConnectSpec, TlsFiles} from '../nats/spec.js'
import {dialAddress, parseTarget} from '../nats/target.js'
import type {LeafRemote} from './config.js'

/** The port where servers take leaf nodes, unless somebody chose another. */
export const leafPort = 7422

/** Where the servers of a spec most likely take leaf nodes: their hosts on port 7422. */
export function defaultRemotes({servers}: Pick<ConnectSpec, 'servers'>): string[] {
  const urls = servers.flatMap((address) => {
    const target = parseTarget(address)
    if (target === undefined || /^wss?:/i.test(address)) return []
    const scheme = /^tls:/i.test(address) ? 'tls' : 'nats-leaf'
    return [`${scheme}://${dialAddress({...target, port: leafPort})}`]
  })
  return [...new Set(urls)]
}

/** The remotes that were given, checked and without who connects; throws a UsageError. */
export function parseRemotes(texts: readonly string[]): string[] {
  return texts.map((text) => {
    const url = URL.parse(/^[\w-]+:\/\//.test(text) ? text : `nats-leaf://${text}`)
    if (url === null || url.hostname === '' || !/^(nats|nats-leaf|tls|wss?):$/.test(url.protocol)) {
      throw new UsageError(`${JSON.stringify(withoutUserInfo(text))} is not where servers take leaf nodes.`, {
        suggestions: [`--remote nats-leaf://hub.example.com:${leafPort}`, '--remote wss://hub.example.com:443'],
      })
    }
    if (url.username !== '' || url.password !== '') {
      throw new UsageError('A --remote holds a user or a password, which everybody on this machine could read.', {
        suggestions: ['Give it without, and the user by --context, --creds, or --user with --password-file.'],
      })
    }
    const port = url.port !== '' || /^wss?:$/.test(url.protocol) ? '' : `:${leafPort}`
    return `${url.protocol}//${url.host}${port}${url.pathname === '/' ? '' : url.pathname}`
  })
}

/**
 * How the leaf node's server connects as the user of the spec. What is no plain file is written to `credsFile`, which
 * only the user can read. Throws a ConnectionError or a UsageError for what a server cannot do.
 */
export async function leafRemote(
  spec: ConnectSpec,
  {urls, denyImports, credsFile}: Pick<LeafRemote, 'urls' | 'denyImports'> & {readonly credsFile: string},
): Promise<LeafRemote> {
  if (spec.socksProxy !== undefined) {
    throw new UsageError('The server of a leaf node cannot connect through a SOCKS proxy.', {
      suggestions: ['lattice leaf run without --socks-proxy, from where the servers can be reached'],
    })
  }
  const [login, tls] = await Promise.all([loginOf(spec, urls, credsFile), tlsOf(spec)])
  return {...login, ...(tls === undefined ? {} : {tls}), denyImports}
}

async function loginOf(
  spec: ConnectSpec,
  urls: readonly string[],
  credsFile: string,
): Promise<Pick<LeafRemote, 'urls' | 'credentials' | 'nkeySeed'>> {
  const {credentials, confinedTo, timeoutMs} = spec
  const literal = (value: string, purpose: string): Promise<string> =>
    readReference(value, {purpose, bare: 'literal', confinedTo, timeoutMs})
  switch (credentials?.kind) {
    case undefined:
      return {urls}
    case 'user': {
      const user = await literal(credentials.user, 'user name')
      const password = await literal(credentials.password, 'password')
      return {urls: urls.map((url) => withUser(url, `${encodeURIComponent(user)}:${encodeURIComponent(password)}`))}
    }
    case 'token': {
      const token = encodeURIComponent(await literal(credentials.token, 'token'))
      return {urls: urls.map((url) => withUser(url, token))}
    }
    case 'nkey': {
      const {seed} = await readSeed(credentials.file, {purpose: 'nkey file', kind: 'U', confinedTo, timeoutMs})
      return {urls, nkeySeed: seed}
    }
    case 'creds': {
      const purpose = 'creds file'
      const {text, path} = await readSecret(credentials.file, {purpose, bare: 'path', confinedTo, timeoutMs})
      if (path !== undefined) return {urls, credentials: path}
      await writeFileAtomic(credsFile, text)
      return {urls, credentials: credsFile}
    }
    case 'jwt': {
      if (credentials.seed === undefined) throw new BearerError()
      const [jwt, seed] = [await literal(credentials.jwt, 'user token'), await literal(credentials.seed, 'user seed')]
      await writeFileAtomic(credsFile, credsText(jwt, seed))
      return {urls, credentials: credsFile}
    }
  }
}

function withUser(url: string, user: string): string {
  return url.replace('://', `://${user}@`)
}

async function tlsOf({tls, confinedTo}: ConnectSpec): Promise<LeafRemote['tls']> {
  if (tls === undefined || Object.keys(tls).length === 0) return undefined
  const pathOf = async (name: keyof Pick<TlsFiles, 'ca' | 'cert' | 'key'>, purpose: string) => {
    const file = tls[name]
    return file === undefined ? {} : {[name]: (await readSecretFile(file, {purpose, confinedTo})).path}
  }
  return {
    ...(await pathOf('ca', 'CA file')),
    ...(await pathOf('cert', 'client certificate')),
    ...(await pathOf('key', 'key of the client certificate')),
    ...(tls.handshakeFirst === undefined ? {} : {handshakeFirst: tls.handshakeFirst}),
  }
}

/** The server signs a challenge as leaf node, which a token alone cannot. */
class BearerError extends ConnectionError {
  constructor() {
    super('A user token without its seed is not enough for a leaf node.', {
      suggestions: ['--creds FILE with the token and the seed'],
    })
  }
}
