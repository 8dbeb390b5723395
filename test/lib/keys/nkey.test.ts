import {createAccount, createOperator, fromPublic, fromSeed} from '@nats-io/nkeys'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {createKey, isPublicKey, keyFromText, parseSeed, verify, type KeyKind} from '../../../src/lib/keys/nkey.js'

const kinds: KeyKind[] = ['A', 'C', 'M', 'N', 'O', 'U', 'V']

describe('nkeys', () => {
  test.each(kinds)('a %s key survives its seed and keeps its kind', (kind) => {
    const key = createKey(kind)
    expect(key.publicKey).toMatch(new RegExp(`^${kind}[A-Z2-7]{55}$`))
    expect(key.seed).toMatch(new RegExp(`^S${kind}[A-Z2-7]{56}$`))
    expect(parseSeed(key.seed).publicKey).toBe(key.publicKey)
    expect(isPublicKey(key.publicKey, kind)).toBe(true)
  })

  test('keys and signatures are those of the NATS library, both ways', () => {
    const data = Buffer.from('data')
    const ours = createKey('O')
    const theirs = fromSeed(Buffer.from(ours.seed))
    expect(theirs.getPublicKey()).toBe(ours.publicKey)
    expect(fromPublic(ours.publicKey).verify(data, ours.sign(data))).toBe(true)
    for (const pair of [createAccount(), createOperator()]) {
      expect(verify(pair.getPublicKey(), data, pair.sign(data))).toBe(true)
      expect(parseSeed(Buffer.from(pair.getSeed()).toString()).publicKey).toBe(pair.getPublicKey())
    }
  })

  test('a signature of other bytes or another key does not hold', () => {
    const [one, other] = [createKey('A'), createKey('A')]
    const signature = one.sign(Buffer.from('a'))
    expect(verify(one.publicKey, Buffer.from('b'), signature)).toBe(false)
    expect(verify(other.publicKey, Buffer.from('a'), signature)).toBe(false)
    expect(verify(one.publicKey, Buffer.from('a'), signature.subarray(1))).toBe(false)
  })

  test('one changed character is found', () => {
    const {publicKey} = createKey('M')
    fc.assert(
      fc.property(
        fc.nat(55),
        fc.constantFrom(...Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')),
        (index, character) => {
          const changed = publicKey.slice(0, index) + character + publicKey.slice(index + 1)
          expect(isPublicKey(changed)).toBe(changed === publicKey)
        },
      ),
    )
  })

  test('arbitrary text is no key, and a bad seed is never repeated', () => {
    fc.assert(
      fc.property(fc.string({maxLength: 80}), (text) => {
        expect(isPublicKey(text)).toBe(false)
        expect(() => parseSeed(text)).toThrow('The seed is not a valid nkey seed.')
      }),
    )
  })

  test('a seed of another kind is refused', () => {
    expect(() => parseSeed(createKey('A').seed, 'O')).toThrow('kind A, and one of kind O is needed')
  })

  test('a text always gives the same key', () => {
    expect(keyFromText('V', 'x').publicKey).toBe(keyFromText('V', 'x').publicKey)
    expect(keyFromText('V', 'x').publicKey).not.toBe(keyFromText('V', 'y').publicKey)
  })
})
