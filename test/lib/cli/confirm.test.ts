import {PassThrough} from 'node:stream'

import {expect, test} from 'vitest'

import {confirmContext, type Terminal} from '../../../src/lib/cli/confirm.js'
import {InterruptedError, UsageError} from '../../../src/lib/errors.js'

const line = 'lattice stop echo --confirm prod'

interface FakeTerminal extends Terminal {
  readonly input: PassThrough
  readonly said: () => string
}

function terminal(): FakeTerminal {
  const [input, output] = [new PassThrough(), new PassThrough()]
  let said = ''
  output.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return {input, output, said: () => said}
}

const ask = (person: FakeTerminal): Promise<void> =>
  confirmContext({context: 'prod', given: undefined, line, terminal: person})

test('the name of the context that a flag gives is enough, and no other is', async () => {
  await expect(confirmContext({context: 'prod', given: 'prod', line, terminal: undefined})).resolves.toBeUndefined()
  const wrong = confirmContext({context: 'prod', given: 'test', line, terminal: terminal()})
  await expect(wrong).rejects.toThrow("The context is 'prod' and not 'test', so nothing was done.")
})

test('without a terminal it fails and names the flag that answers', async () => {
  const asked = confirmContext({context: 'prod', given: undefined, line, terminal: undefined})
  await expect(asked).rejects.toThrow(UsageError)
  await expect(asked).rejects.toMatchObject({suggestions: [line, 'lattice context show prod']})
})

test('a person types the name, and anything else does nothing', async () => {
  const [right, wrong] = [terminal(), terminal()]
  right.input.write('prod\n')
  await expect(ask(right)).resolves.toBeUndefined()
  expect(right.said()).toContain("Context 'prod' is protected")
  wrong.input.write('yes\n')
  await expect(ask(wrong)).rejects.toThrow("not 'yes'")
})

test.each([
  ['Ctrl-C', (input: PassThrough) => input.write('\u0003')],
  ['Ctrl-D', (input: PassThrough) => input.write('\u0004')],
  ['the end of the terminal', (input: PassThrough) => input.end()],
])('%s ends the question, and nothing is done', async (_what, leave) => {
  const person = terminal()
  const asked = ask(person)
  leave(person.input)
  await expect(asked).rejects.toThrow(InterruptedError)
})
