import {describe, expect, test} from 'vitest'

import {judgeTrust} from '../../../src/lib/routing/trust.js'

const ours = {key: 'OURS', name: 'ours', signingKeys: ['SIGN', 'SIGN2'], strict: false}
const other = {key: 'OTHER', name: 'other', signingKeys: ['OSIGN'], strict: false}
const question = {signer: 'SIGN', issuer: 'SIGN2', liveOn: [], servers: [{server: 'S0', operators: [ours]}]}

describe('trust in a signer', () => {
  test.each([
    ['a signing key', question],
    ['the identity key', {...question, signer: 'OURS'}],
    ['one of several operators', {...question, servers: [{server: 'S0', operators: [other, ours]}]}],
    [
      'the issuer of the live token, where a server names no operator',
      {...question, issuer: 'SIGN', liveOn: ['S0'], servers: [{server: 'S0', operators: []}]},
    ],
  ])('%s is trusted', (_, asked) => {
    expect(judgeTrust(asked)).toEqual({kind: 'trusted'})
  })

  test.each([
    [
      'a stranger',
      {...question, signer: 'STRANGER'},
      "server 'S0' trusts 'ours' (OURS), and the key is none of theirs",
    ],
    [
      'the identity key of a strict operator',
      {...question, signer: 'OURS', servers: [{server: 'S0', operators: [{...ours, strict: true}]}]},
      'this is its identity key',
    ],
    [
      'a signer whom one server of several does not trust',
      {...question, servers: [...question.servers, {server: 'S1', operators: [other]}]},
      "server 'S1' trusts 'other'",
    ],
    ['the editor of a token that another operator signed', {...question, issuer: 'OSIGN'}, "signed by 'OSIGN'"],
    [
      'another key, where a server names no operator',
      {...question, liveOn: ['S0'], servers: [{server: 'S0', operators: []}]},
      'does not say whom it trusts',
    ],
    [
      'the issuer of a token that is not live, where a server names no operator',
      {...question, issuer: 'SIGN', servers: [{server: 'S0', operators: []}]},
      'does not say whom it trusts',
    ],
  ])('%s is not', (_, asked, reason) => {
    const verdict = judgeTrust(asked)
    expect(verdict.kind === 'untrusted' && verdict.reason).toContain(reason)
  })
})
