import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import * as fc from 'fast-check'
import {afterAll, beforeAll, expect, test} from 'vitest'

import ContextShow from '../../../src/commands/context/show.js'
import HostLs from '../../../src/commands/host/ls.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {createUser} from '../../../src/lib/keys/operator.js'
import {cliIn} from '../../support/cli.js'
import {freePort} from '../../support/nats-server.js'
import {run} from '../../support/run.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

// 10,000 in all: half of them of contexts, half of creds files.
const rounds = 5000
const withinMs = 120_000

const password = 'correct-horse-battery-staple'
const token = 'tok_9f8e7d6c5b4a39281706'
const account = createKey('A')
const {creds} = createUser(account, 'fuzz', 1_790_000_000)
const [jwt, seed] = [/eyJ\S+/.exec(creds)![0], /SU[A-Z2-7]{56}/.exec(creds)![0]]
const secrets = [password, token, seed, jwt]

let folder: TempFolder
let url: string
beforeAll(async () => {
  folder = await tempFolder()
  url = `nats://127.0.0.1:${await freePort()}`
})
afterAll(async () => {
  await folder[Symbol.asyncDispose]()
})

type Edit = (text: string) => string

/** What happens to files: lost and doubled parts, stray bytes, other types, merged lines, foreign line ends. */
const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc
    .tuple(fc.nat(), fc.nat({max: 40}), fc.nat({max: 8}), fc.string({unit: 'binary', maxLength: 6}))
    .map(([at, length, kind, insert]): Edit => {
      return (text) => {
        const start = text.length === 0 ? 0 : at % text.length
        const [before, part, after] = [
          text.slice(0, start),
          text.slice(start, start + length),
          text.slice(start + length),
        ]
        switch (kind) {
          case 0:
            return before + after
          case 1:
            return before + part + part + after
          case 2:
            return before + insert + part + after
          case 3:
            return before
          case 4:
            return before + part.toUpperCase() + after
          case 5:
            return text.replace(
              /:\s*"[^"]*"/,
              `: ${['7', 'null', 'true', '[]', '{}', '"\\u0000\\u001b[2J"'][start % 6]!}`,
            )
          case 6:
            return text.replaceAll('\n', ['', '\r\n', ' ', '\0'][start % 4]!)
          case 7:
            return before + Buffer.from(part, 'utf16le').reverse().toString('latin1') + after
          default:
            return after + before + part
        }
      }
    }),
  {minLength: 1, maxLength: 4},
)

/** Pieces of a secret of which nobody would say that they are chance. */
function pieces(text: string): string[] {
  const most = 12
  return secrets.flatMap((secret) =>
    Array.from({length: secret.length - most + 1}, (_, at) => secret.slice(at, at + most)).filter((piece) =>
      text.includes(piece),
    ),
  )
}

/** Where a broken file has moved a secret into a field that is there to be shown, nobody can know it for one. */
function movedIntoSight(file: string): boolean {
  try {
    const fields = JSON.parse(file) as Record<string, unknown>
    const hidden = new Set(['password', 'token', 'user_jwt', 'user_seed'])
    const shown = Object.entries(fields).filter(([field]) => !hidden.has(field))
    return pieces(JSON.stringify(shown)).length > 0
  } catch {
    return false
  }
}

async function expectSentence(command: Parameters<typeof run>[0], argv: string[], file: string): Promise<void> {
  const {stdout, stderr, exitCode} = await run(command, argv, {
    DEBUG: 'lattice*',
    XDG_CONFIG_HOME: folder.path,
    LATTICE_CONTEXT: undefined,
    NATS_URL: undefined,
  })
  const said = `${stdout}${stderr}`
  expect([0, 2, 4, 11], said).toContain(exitCode)
  expect(said).not.toMatch(/^\s+at .*:\d+:\d+/m)
  expect(stderr).not.toMatch(/[\0-\x08\x0b-\x1f\x7f]/)
  if (exitCode !== 0) expect(said).toMatch(/^Error: .+\.\n/m)
  if (!movedIntoSight(file)) expect(pieces(said), said).toEqual([])
}

test('a broken context is a sentence, never a stack and never a secret', {timeout: withinMs}, async () => {
  const whole = JSON.stringify(
    {description: 'd', url, user: 'me', password, token, user_jwt: jwt, user_seed: seed, tls_first: false, nsc: ''},
    undefined,
    2,
  )
  const path = join(folder.path, 'fuzz.json')
  await fc.assert(
    fc.asyncProperty(edits, fc.boolean(), async (changes, effective) => {
      const text = changes.reduce((text, edit) => edit(text), whole)
      await writeFile(path, text)
      await expectSentence(ContextShow, [path, ...(effective ? ['--effective'] : [])], text)
    }),
    {numRuns: rounds},
  )
})

test('a broken creds file is a sentence, never a stack and never a secret', {timeout: withinMs}, async () => {
  const path = join(folder.path, 'fuzz.creds')
  await fc.assert(
    fc.asyncProperty(edits, async (changes) => {
      await writeFile(
        path,
        changes.reduce((text, edit) => edit(text), creds),
      )
      await expectSentence(HostLs, ['--server', url, '--creds', path], '')
    }),
    {numRuns: rounds},
  )
})

// oclif's own log needs a process that starts with the variable.
test('nor is it in the logs of the whole program', {timeout: withinMs}, async () => {
  const cli = await cliIn(folder.path, {DEBUG: '*'})
  const path = join(folder.path, 'logged.creds')
  await fc.assert(
    fc.asyncProperty(edits, async (changes) => {
      await writeFile(
        path,
        changes.reduce((text, edit) => edit(text), creds),
      )
      const {stdout, stderr} = await cli.run('host', 'ls', '--server', url, '--creds', path)
      expect(pieces(`${stdout}${stderr}`)).toEqual([])
    }),
    {numRuns: 20},
  )
})
