import {describe, expect, test} from 'vitest'

import {parseLossless} from '../../../src/lib/keys/token.js'
import {hideSecrets} from '../../../src/lib/records/secrets.js'

describe('hiding secrets', () => {
  test.each([
    [{password: 'x'}, {password: 'set'}],
    [{values: {DB_PASSWORD: 'x', URL: 'redis://h'}}, {values: {DB_PASSWORD: 'set', URL: 'redis://h'}}],
    [
      {apiKey: 'x', api_key: 'x', seed: 'x', CREDS: 'x', authToken: 'x'},
      {apiKey: 'set', api_key: 'set', seed: 'set', CREDS: 'set', authToken: 'set'},
    ],
    [{secret: {nested: 1}}, {secret: 'set'}],
    [{password: ''}, {password: ''}],
    [{URL: 'redis://user:pa:ss@host:1/0'}, {URL: 'redis://set@host:1/0'}],
    [{URL: 'redis://:p@ss@host'}, {URL: 'redis://set@host'}],
    [{note: 'mail a@b.c'}, {note: 'mail a@b.c'}],
    [{config_json: '{"address":"a","password":"x"}'}, {config_json: '{"address":"a","password":"set"}'}],
    [{config_b64: Buffer.from('{"password":"x"}').toString('base64')}, {config_b64: 'set'}],
    [
      {config_b64: Buffer.from('{"address":"a"}').toString('base64')},
      {config_b64: Buffer.from('{"address":"a"}').toString('base64')},
    ],
    [['redis://u:p@h'], ['redis://set@h']],
    ['host: a\npassword: hunter2\nport: 1', 'host: a\npassword: set\nport: 1'],
    ['export DB_PASSWORD=hunter2 # new\nHOST=a', 'export DB_PASSWORD=set\nHOST=a'],
    ['- token: "x"\n- name: y', '- token: set\n- name: y'],
    ['a:\n  seed: |\n    one\n\n    two\n  b: 1', 'a:\n  seed: set\n\n  b: 1'],
    ['{"host":"a","password":"hun\\"ter2", "n": 1', '{"host":"a","password":"set", "n": 1'],
    ['{"api_key":12,"password":"broken off', '{"api_key":"set","password":"set"'],
    [`say SU${'A'.repeat(56)} to nobody`, 'say set to nobody'],
    ['the password is not said', 'the password is not said'],
    [`key M${'A'.repeat(55)}`, `key M${'A'.repeat(55)}`],
    [null, null],
    [3, 3],
  ])('%j is shown as %j', (value, shown) => {
    expect(hideSecrets(value)).toEqual(shown)
  })

  test('keeps the digits of big numbers and a field named __proto__', () => {
    const text = '{"n":12345678901234567890,"__proto__":{"password":"x"}}'
    expect(JSON.stringify(hideSecrets(parseLossless(text)))).toBe(
      '{"n":12345678901234567890,"__proto__":{"password":"set"}}',
    )
  })

  test('takes no longer for a long text that looks like schemes all over', () => {
    const started = performance.now()
    const text = 'a.'.repeat(500_000)
    expect(hideSecrets(`${text}redis://u:p@h`)).toBe(`${text}redis://set@h`)
    expect(performance.now() - started).toBeLessThan(2000)
  })
})
