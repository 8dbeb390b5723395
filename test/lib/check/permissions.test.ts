import {readFile} from 'node:fs/promises'

import {describe, expect, test} from 'vitest'

import {abilities, needsOf, systemNeeds, type Need} from '../../../src/lib/check/needs.js'
import {fixOf} from '../../../src/lib/check/fix.js'
import {lacking, neededFor, permissionsOf, type WirePermissions} from '../../../src/lib/check/permissions.js'
import {readUserToken} from '../../../src/lib/check/user.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {encodeToken, type JsonObject} from '../../../src/lib/keys/token.js'

const scope = {lattice: 'l', configs: true, apiPrefix: '$JS.API', writePrefix: '', inboxPrefix: '_INBOX'}
const all = abilities.flatMap((ability) => needsOf(ability, scope))
const inbox: Need = {direction: 'subscribe', subject: '_INBOX.>', purpose: 'get answers', writes: false}
const flow: Need = {direction: 'publish', subject: '$JS.FC.x.>', purpose: 'list', writes: false, answers: true}

const lacks = (need: Need, wire: WirePermissions): boolean => lacking([need], permissionsOf(wire)).length > 0

describe('permissions as servers write them', () => {
  test.each<[string, Need, WirePermissions | undefined, boolean]>([
    ['none at all allow everything', inbox, undefined, false],
    ['empty lists allow everything', inbox, {publish: {}, subscribe: {allow: [], deny: null}}, false],
    ['the inbox as it is usually allowed', inbox, {subscribe: {allow: ['_INBOX.>']}}, false],
    ['an inbox of one token more would stop requests', inbox, {subscribe: {allow: ['_INBOX.*']}}, true],
    ['both lengths of inbox', inbox, {subscribe: {allow: ['_INBOX.*', '_INBOX.*.*']}}, false],
    ['the inbox of somebody else', inbox, {subscribe: {allow: ['_INBOX_other.>']}}, true],
    ['an inbox only for a queue group', inbox, {subscribe: {allow: ['_INBOX.> workers']}}, true],
    ['a denial for a queue group only', inbox, {subscribe: {deny: ['_INBOX.> workers']}}, false],
    ['a denial of one certain name', inbox, {subscribe: {deny: ['_INBOX.admin.>']}}, false],
    ['a denial of all', inbox, {subscribe: {deny: ['>']}}, true],
    ['nothing may be published', flow, {publish: {deny: ['>']}}, true],
    ['answers may be published', flow, {publish: {deny: ['>']}, responses: {max: 1}}, false],
  ])('%s', (_what, need, wire, expected) => {
    expect(lacks(need, wire ?? {})).toBe(expected)
  })

  test('the part that is denied is named', () => {
    const need: Need = {direction: 'publish', subject: '$KV.B.>', purpose: 'write', writes: true}
    expect(lacking([need], permissionsOf({publish: {deny: ['$KV.*.CLAIMS_X']}}))).toEqual([
      {direction: 'publish', subject: '$KV.B.>', purpose: 'write', reason: 'denied', denied: '$KV.B.CLAIMS_X'},
    ])
    expect(lacking([need], permissionsOf({publish: {deny: ['$KV.>']}}))).toEqual([
      {direction: 'publish', subject: '$KV.B.>', purpose: 'write', reason: 'denied'},
    ])
  })
})

describe('what counts', () => {
  const subjects = (filter: Parameters<typeof neededFor>[1]): string[] =>
    neededFor(all, filter).map(({subject}) => subject)

  test('a bucket has to be made only where it is known to be absent', () => {
    const create = '$JS.API.STREAM.CREATE.KV_LATTICEDATA_l'
    expect(subjects({level: 'write', absent: new Set()})).not.toContain(create)
    expect(subjects({level: 'write', absent: new Set(['LATTICEDATA_l'])})).toContain(create)
    expect(subjects({level: 'read', absent: new Set(['LATTICEDATA_l'])})).not.toContain(create)
  })

  test('who looks on writes no record and commands no host', () => {
    const read = subjects({level: 'read', absent: new Set()})
    expect(read.filter((subject) => /^\$KV|\.cmd\.|\.rpc\./.test(subject))).toEqual([])
    expect(read).toContain('wasmbus.ctl.l.ping.hosts')
    expect(subjects({level: 'none', absent: new Set()})).toEqual([])
  })

  test('domain, inbox prefix and dialect lead elsewhere', () => {
    const elsewhere = {...scope, apiPrefix: '$JS.hub.API', writePrefix: '$JS.hub.API.', inboxPrefix: '_INBOX_me'}
    const used = needsOf('cache', elsewhere).map(({subject}) => subject)
    expect(used).toContain('$JS.hub.API.$KV.LATTICEDATA_l.>')
    expect(used).toContain('$JS.hub.API.STREAM.MSG.GET.KV_LATTICEDATA_l')
    expect(used).toContain('_INBOX_me.>')
    const v0 = needsOf('control', {...scope, dialect: 'v0'}).map(({subject}) => subject)
    expect(v0).toContain('wasmbus.ctl.l.ping.hosts')
    expect(v0).not.toContain('wasmbus.ctl.v1.l.host.ping')
    const v1 = needsOf('control', {...scope, dialect: 'v1'}).map(({subject}) => subject)
    expect(v1).not.toContain('wasmbus.ctl.l.ping.hosts')
  })
})

test('the permissions that docs/ci.md tells people to grant lack nothing', async () => {
  const text = await readFile(new URL('../../../docs/ci.md', import.meta.url), 'utf8')
  type Grants = Record<string, {readonly publish: string[]; readonly subscribe: string[]}>
  const grants = JSON.parse(/```json\n([^]*?)```/.exec(text)![1]!) as Grants
  const ci = {...scope, lattice: 'default', configs: false, inboxPrefix: '_INBOX_ci'}
  const missing = (needs: readonly Need[], grant: string, level: 'read' | 'write'): string[] => {
    const {publish, subscribe} = grants[grant]!
    const absent = new Set(grant === 'route' ? ['LATTICEROUTES_default', 'LATTICEACCOUNT'] : [])
    const permissions = permissionsOf({publish: {allow: publish}, subscribe: {allow: subscribe}})
    return lacking(neededFor(needs, {level, absent}), permissions)
      .filter(({optional}) => optional === undefined)
      .map(({subject}) => subject)
  }
  expect(missing(needsOf('cache', ci), 'cache', 'write')).toEqual([])
  expect(missing(needsOf('control', ci), 'start, stop, scale', 'write')).toEqual([])
  expect(missing(needsOf('calls', ci), 'call', 'write')).toEqual([])
  expect(missing(needsOf('routes', ci), 'route', 'write')).toEqual([])
  const system = systemNeeds('A'.repeat(56), '_INBOX_ci')
  expect(missing(system, 'system user that pushes', 'write')).toEqual([])
  expect(missing(system, 'system user that looks', 'read')).toEqual([])
  expect(missing(system, 'system user that looks', 'write')).toEqual(['$SYS.REQ.CLAIMS.UPDATE'])
  expect(missing(needsOf('routes', ci), 'cache', 'read')).not.toEqual([])
})

describe('a user token', () => {
  const account = createKey('A')
  const other = createKey('A')
  const token = (nats: JsonObject, more: JsonObject = {}): string =>
    encodeToken({typ: 'JWT', alg: 'ed25519-nkey'}, {iss: account.publicKey, name: 'ci', nats, ...more}, account)

  test('says its permissions only where the account cannot say others', () => {
    const open = {pub: {}, sub: {}, subs: -1, data: -1, payload: -1}
    expect(readUserToken(token(open))).toEqual({name: 'ci', account: account.publicKey})
    expect(readUserToken(token({...open, pub: {allow: ['a']}}))?.permissions).toEqual({
      publish: {allow: ['a']},
      subscribe: {},
      responses: false,
    })
    expect(readUserToken(token({...open, resp: {max: 1, ttl: 0}}))?.permissions?.responses).toBe(true)
  })

  test('names the key whose template it is bound to', () => {
    const scoped = {pub: {}, sub: {}, issuer_account: other.publicKey}
    expect(readUserToken(token(scoped))).toEqual({name: 'ci', account: other.publicKey, scopedBy: account.publicKey})
    expect(readUserToken(token({...scoped, subs: -1, data: -1, payload: -1}))?.scopedBy).toBeUndefined()
  })

  test('tells its time; what is no token tells nothing', () => {
    expect(readUserToken(token({}, {iat: 100, exp: 200}))).toMatchObject({issued: 100_000, expires: 200_000})
    expect(readUserToken('no.such.token')).toBeUndefined()
    expect(readUserToken(undefined)).toBeUndefined()
  })
})

describe('the fix', () => {
  const lack = {direction: 'publish', subject: '$KV.B.>', purpose: 'write', reason: 'notAllowed'} as const
  const answers = {...lack, direction: 'subscribe', subject: '_INBOX.>'} as const

  test('is a line of nsc where a token says what the user may do', () => {
    expect(fixOf([lack, answers, lack], {user: 'ci', account: 'APP', token: true})).toEqual([
      "nsc edit user --account APP --name ci --allow-pub '$KV.B.>' --allow-sub '_INBOX.>'",
      'nsc generate creds --account APP --name ci --output-file FILE',
    ])
    expect(fixOf([lack], {user: 'ci', account: "A'B", token: true, scopedBy: 'AKEY'})).toEqual([
      "nsc edit signing-key --account 'A'\\''B' --sk AKEY --allow-pub '$KV.B.>'",
      "nsc push --account 'A'\\''B'",
    ])
  })

  test('says in words what belongs into a configuration, and what to take away', () => {
    expect(fixOf([lack, answers], {user: 'u', token: false})).toEqual([
      `Let user 'u' publish: ["$KV.B.>"]`,
      `Let user 'u' subscribe: ["_INBOX.>"]`,
    ])
    expect(fixOf([{...lack, reason: 'denied', denied: '$KV.B.x'}], {token: true})).toEqual([
      `Take away what denies the user to publish: ["$KV.B.x"]`,
    ])
  })
})
