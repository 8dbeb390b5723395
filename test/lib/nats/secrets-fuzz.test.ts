import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {inspect} from 'node:util'

import fc from 'fast-check'
import {expect, test} from 'vitest'

import {LatticeError} from '../../../src/lib/errors.js'
import {parseCreds} from '../../../src/lib/keys/creds.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {createUser} from '../../../src/lib/keys/operator.js'
import {authenticator} from '../../../src/lib/nats/creds.js'
import {readReference} from '../../../src/lib/nats/secrets.js'
import {tempFolder} from '../../support/temp.js'

const {creds} = createUser(createKey('A'), 'u', 1)
const {seed, jwt} = parseCreds(creds)!

/** The text with some of it taken out, put in twice, or replaced. */
const mutated = (text: string): fc.Arbitrary<string> =>
  fc
    .array(
      fc.tuple(
        fc.nat(text.length),
        fc.nat(80),
        fc.oneof(fc.constant(''), fc.string({unit: 'binary'}), fc.constant(text)),
      ),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((changes) => changes.reduce((all, [at, length, put]) => all.slice(0, at) + put + all.slice(at + length), text))

/** Rejects only with a sentence, in which neither seed nor token is. */
async function sentenceOrValue(promise: Promise<unknown>): Promise<void> {
  const failure: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failure === undefined) return
  expect(failure).toBeInstanceOf(LatticeError)
  const shown = inspect(failure, {depth: 20, showHidden: true})
  for (const secret of [seed, jwt, seed.slice(0, 40), jwt.slice(-40)]) expect(shown).not.toContain(secret)
}

test('a creds file of any content gives a user or a sentence without its secrets', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'x.creds')
  await fc.assert(
    fc.asyncProperty(mutated(creds), async (text) => {
      await writeFile(file, text)
      await sentenceOrValue(authenticator({credentials: {kind: 'creds', file}, timeoutMs: 1000}))
    }),
    {numRuns: 300},
  )
}, 60_000)

test('a value of any form gives a secret or a sentence without it', async () => {
  await using folder = await tempFolder()
  const start = fc.constantFrom(
    '',
    'env://',
    'file://',
    'data:',
    'data:;base64,',
    'vault://',
    '~/',
    '$HOME/',
    '../',
    '/',
    '$',
  )
  const rest = fc.oneof(
    fc.string({unit: 'binary'}),
    mutated(creds),
    mutated(seed),
    fc.constantFrom('HOME', 'x', seed, jwt),
  )
  const value = fc.tuple(start, rest).map(([start, rest]) => start + rest)
  await fc.assert(
    fc.asyncProperty(value, fc.constantFrom('path', 'literal'), fc.boolean(), async (value, bare, confined) => {
      const rules = {purpose: 'secret', bare, timeoutMs: 1000, confinedTo: confined ? folder.path : undefined} as const
      await sentenceOrValue(readReference(value, rules))
    }),
    {numRuns: 1000},
  )
}, 60_000)
