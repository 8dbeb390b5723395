import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {encodeToken, type JsonObject} from '../../../src/lib/keys/token.js'
import {covers, refusal, type Grant} from '../../../src/lib/nats/grants.js'
import {callersOfToken, judgeCallers, missingFor, type Caller} from '../../../src/lib/routes/preflight/callers.js'
import type {MappingPlan} from '../../../src/lib/routing/plan.js'

const plan = (source: string, ...subjects: string[]): MappingPlan => ({
  source,
  destinations: subjects.map((subject) => ({subject, weight: 100 / subjects.length})),
})

test.each<[string, MappingPlan, Grant, string[]]>([
  ['all', plan('a.get', 'a.v1.get', 'a.v2.get'), {}, []],
  ['the source alone', plan('a.get', 'a.v1.get', 'a.v2.get'), {allow: ['a.get']}, ['a.v1.get', 'a.v2.get']],
  ['everything below', plan('a.get', 'a.v1.get'), {allow: ['a.>']}, []],
  ['another subject', plan('a.get', 'a.v1.get'), {allow: ['b.>']}, []],
  ['all but one version', plan('a.get', 'a.v1.get', 'a.v2.get'), {deny: ['a.v2.>']}, ['a.v2.get']],
  ['neither source nor version', plan('a.get', 'a.v1.get'), {deny: ['a.>']}, []],
  ['the incumbent', plan('a.get', 'a.get', 'a.v2.get'), {allow: ['a.get', 'a.v2.get']}, []],
  ['one subject of a wildcard source', plan('a.*', 'a.v1.$1'), {allow: ['a.get']}, ['a.v1.get']],
  ['that subject and what it becomes', plan('a.*', 'a.v1.$1'), {allow: ['a.get', 'a.v1.get']}, []],
  ['the long form of a wildcard', plan('a.*', 'a.v1.{{wildcard(1)}}'), {allow: ['a.get']}, ['a.v1.get']],
  ['a function', plan('a.*', 'a.b{{partition(3,1)}}'), {allow: ['a.*', 'a.b0']}, []],
  ['a tail', plan('a.>', 'a-v1.>'), {allow: ['a.x.>']}, ['a-v1.x.>']],
])('who may publish %s', (_name, mapping, grant, missing) => {
  expect(missingFor(mapping, grant)).toEqual(missing)
})

test('nothing is missing for a literal source exactly when source or all destinations may not differ', () => {
  const subject = fc.constantFrom('a.get', 'a.put', 'a.v1.get', 'a.v2.get', 'b.get')
  const pattern = fc.oneof(subject, fc.constantFrom('a.*', 'a.>', 'a.*.get', '>', 'b.>'))
  const list = fc.option(fc.array(pattern, {minLength: 1, maxLength: 3}), {nil: undefined})
  fc.assert(
    fc.property(
      subject,
      fc.uniqueArray(subject, {minLength: 1, maxLength: 3}),
      list,
      list,
      (source, to, allow, deny) => {
        const grant = {...(allow && {allow}), ...(deny && {deny})}
        const may = (one: string): boolean =>
          (allow === undefined || allow.some((each) => covers(each, one))) &&
          !(deny ?? []).some((each) => covers(each, one))
        expect(refusal(source, grant) === undefined).toBe(may(source))
        expect(missingFor(plan(source, ...to), grant)).toEqual(may(source) ? to.filter((one) => !may(one)) : [])
      },
    ),
  )
})

describe('what is said', () => {
  const mappings = [plan('orders.get', 'v1.orders.get', 'v2.orders.get')]
  const user = (name: string, ...allow: string[]): Caller => ({name: `user '${name}'`, grant: {allow}})

  test('where nobody is known: all lines, and once that callers are not visible', () => {
    expect(judgeCallers({mappings}, {callers: [], complete: false})).toMatchObject({
      findings: [{rule: 'callers-unseen', level: 'warn'}],
      permissions: ['v1.orders.get', 'v2.orders.get'],
    })
  })

  test('where the versions lie below the source, that alone is no reason to warn', () => {
    const below = [plan('orders.get', 'orders.v1.get', 'orders.get')]
    expect(judgeCallers({mappings: below}, {callers: [], complete: false})).toEqual({
      findings: [],
      permissions: ['orders.v1.get'],
    })
  })

  test('where all are known: the lines that some lack, and at most five of those by name', () => {
    const callers = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => user(name, 'orders.get', 'v1.orders.get'))
    const {findings, permissions} = judgeCallers({mappings}, {callers: [...callers, user('z', '>')], complete: true})
    expect(permissions).toEqual(['v2.orders.get'])
    expect(findings).toMatchObject([
      {
        sentence:
          "User 'a', user 'b', user 'c', user 'd', user 'e' and 2 more may publish 'orders.get' and not 'v2.orders.get', so those requests would time out.",
      },
    ])
  })

  test('the own user is told apart from those that call', () => {
    const callers: Caller[] = [{name: 'the own user', grant: {allow: ['orders.get']}, self: true}]
    expect(judgeCallers({mappings}, {callers, complete: true})).toMatchObject({
      findings: [{rule: 'caller-permission', level: 'warn'}],
      permissions: [],
    })
  })
})

test("an account's token tells of its default and of its scoped keys, and of a key without a scope nothing", () => {
  const key = createKey('O')
  const token = (nats: JsonObject): string => encodeToken({typ: 'JWT', alg: 'ed25519-nkey'}, {nats}, key)
  expect(callersOfToken(token({}))).toEqual([])
  const scope = {role: 'web', template: {pub: {allow: ['a.{{name()}}'], deny: ['b.{{name()}}', 'c']}}}
  const nats = {signing_keys: ['ABC', scope, {template: null}], default_permissions: {pub: {deny: ['x']}}}
  expect(callersOfToken(token(nats))).toEqual([
    {name: 'users without permissions of their own', grant: {deny: ['x']}},
    {name: "users of the role 'web'", grant: {allow: ['a.*'], deny: ['c']}},
  ])
})
