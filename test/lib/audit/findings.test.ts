import {describe, expect, test} from 'vitest'

import {findSharedAliases, findUnused, findWithoutBase} from '../../../src/lib/audit/claims.js'
import type {Audited, Finding} from '../../../src/lib/audit/finding.js'
import {findMalformed} from '../../../src/lib/audit/malformed.js'
import {findDangling} from '../../../src/lib/audit/references.js'
import {readStoredRecord, type CacheEntry} from '../../../src/lib/cache/entry.js'
import {addressAt} from '../../../src/lib/cache/key.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {linkHash} from '../../../src/lib/records/link-hash.js'
import {formatClaims} from '../../../src/lib/records/universal.js'

const lattice = 'shop'
const [actor, provider] = [createKey('M').publicKey, createKey('V').publicKey]

async function entry(kind: 'DATA' | 'VERSIONS' | 'ROUTES', key: string, value: unknown): Promise<CacheEntry> {
  const bucket = `LATTICE${kind}_${lattice}`
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const created = '2026-11-21T12:00:00.000Z'
  const stored = {key, operation: 'PUT', value: new TextEncoder().encode(text), revision: 7, created} as const
  return (await readStoredRecord(addressAt({bucket, key}, lattice), bucket, stored)).entry
}

function audited(...entries: CacheEntry[]): Audited {
  return {lattice, entries, line: (words) => ['lattice', ...words].join(' ')}
}

const routeKey = `v0.${Buffer.from(actor).toString('base64url')}`
const route = {
  ...{lattice, kind: 'actor', key: actor, name: 'echo', source: 's', strategy: 'ab', driver: 'jwt', state: 'live'},
  ...{legs: [{version: '1.0.0', weight: 100}], replaced: [], digest: '', replacedDigest: ''},
  ...{who: {account: 'A'}, when: '2026-11-21T12:00:00.000Z'},
}

const brief = (findings: readonly Finding[]): unknown[] =>
  findings.map(({rule, name, repair}) => ({rule, name, repair}))

describe('routes', () => {
  test('of nobody that has claims are cleared', async () => {
    const records = [await entry('ROUTES', routeKey, route)]
    expect(brief(findDangling(audited(...records)))).toEqual([
      {rule: 'route-without-claims', name: routeKey, repair: [`lattice route clear ${actor}`]},
    ])
    const claims = await entry('DATA', `CLAIMS_${actor}`, formatClaims({sub: actor, version: '1.0.0'}))
    expect(findDangling(audited(...records, claims))).toEqual([])
  })

  test('that no command reads are replaced', async () => {
    const odd = {...route, legs: [{version: '1.0.0', weight: 70}]}
    const found = findDangling(audited(await entry('ROUTES', routeKey, odd)))
    expect(brief(found)).toEqual([
      {rule: 'malformed', name: routeKey, repair: [`lattice route clear ${actor} --repair`]},
    ])
    expect(found[0]?.message).toContain("'legs'")
  })

  test('of what no longer runs are cleared before its claims go', async () => {
    const value = formatClaims({sub: actor, version: '1.0.0'})
    const records = [await entry('DATA', `CLAIMS_${actor}`, value), await entry('ROUTES', routeKey, route)]
    expect(brief(findUnused(audited(...records), []))).toEqual([
      {
        rule: 'claims-unused',
        name: actor,
        repair: [`lattice route clear ${actor}`, `lattice cache del key CLAIMS_${actor} --revision 7`],
      },
    ])
  })
})

test('a host that tells no versions may run any version of what it runs', async () => {
  const value = formatClaims({sub: actor, version: '1.0.0'})
  const key = `${actor}.${Buffer.from('1.0.0').toString('base64url')}`
  const records = audited(await entry('DATA', `CLAIMS_${actor}`, value), await entry('VERSIONS', key, value))
  const instance = {key: actor, host: 'N', count: 1}
  expect(findUnused(records, [instance])).toEqual([])
  expect(findUnused(records, [{...instance, version: '2.0.0'}]).map(({name}) => name)).toEqual([`${actor}@1.0.0`])
})

test('a secret of a link is in no line', async () => {
  const identity = {actor_id: actor, contract_id: 'a:b', link_name: 'default'}
  const link = {...identity, provider_id: provider, values: {password: 77_001, port: 8080}}
  const found = findMalformed(audited(await entry('DATA', `LINKDEF_${linkHash(identity)}`, link)))
  expect(found.map(({rule}) => rule)).toEqual(['malformed'])
  expect(JSON.stringify(found)).not.toContain('77001')
})

test('many records take time in proportion to their number', async () => {
  const keys = Array.from({length: 4000}, () => createKey('M').publicKey)
  const records = await Promise.all(
    keys.flatMap((key, index) => {
      const value = formatClaims({sub: key, name: `a${index}`, version: '1.0.0', call_alias: `alias${index % 3999}`})
      const identity = {actor_id: key, contract_id: 'a:b', link_name: 'default'}
      const hash = linkHash(identity)
      return [
        entry('DATA', `CLAIMS_${key}`, value),
        entry('VERSIONS', `${key}.MS4wLjA`, value),
        entry('DATA', `LINKDEF_${hash}`, {id: hash, ...identity, provider_id: provider, values: {}}),
        entry('DATA', `REFMAP_${Buffer.from(`reg/${index}`).toString('base64url')}`, {
          ...{oci_url: `reg/${index}`, public_key: key, version: '1.0.0'},
        }),
      ]
    }),
  )
  const all = audited(...records)
  const started = performance.now()
  const found = [findMalformed, findSharedAliases, findWithoutBase, findDangling].flatMap((find) => find(all))
  const unused = findUnused(all, [])
  expect(performance.now() - started).toBeLessThan(5000)
  expect(found.filter(({rule}) => rule === 'duplicate-alias')).toHaveLength(2)
  expect(found.filter(({rule}) => rule === 'link-without-claims')).toHaveLength(4000)
  expect(unused).toHaveLength(8000)
})
