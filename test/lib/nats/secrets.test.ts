import {execFileSync} from 'node:child_process'
import {chmod, mkdir, rename, symlink, writeFile} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {inspect} from 'node:util'

import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {checkedPath, readAgain} from '../../../src/lib/nats/secret-files.js'
import {readReference, type ReferenceRules} from '../../../src/lib/nats/secrets.js'
import {createKey} from '../../../src/lib/keys/nkey.js'
import {writeNscStore} from '../../support/nsc-store.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

const secret = 'the-Secret-word'
const path: ReferenceRules = {purpose: 'creds file', bare: 'path', timeoutMs: 2000}
const literal: ReferenceRules = {purpose: 'password', bare: 'literal', timeoutMs: 2000}

let folder: TempFolder

beforeEach(async () => {
  folder = await tempFolder()
  vi.stubEnv('HOME', folder.path)
  vi.stubEnv('SECRET', secret)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await folder[Symbol.asyncDispose]()
})

function at(...parts: readonly string[]): string {
  return join(folder.path, ...parts)
}

async function write(name: string, text = secret, mode = 0o600): Promise<string> {
  await mkdir(join(at(name), '..'), {recursive: true})
  await writeFile(at(name), text, {mode})
  return at(name)
}

/** A helper program on PATH, which then holds nothing else but the system's own. */
async function program(name: string, script: string): Promise<void> {
  await write(join('bin', name), `#!/bin/sh\n${script}\n`, 0o700)
  vi.stubEnv('PATH', `${at('bin')}:/usr/bin:/bin`)
}

/** The failure, after a look that nothing of it, to the last cause and property, holds the secret. */
async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const failure = await promise.then(
    () => new Error('It did not fail.'),
    (error: unknown) => error as Error,
  )
  expect(inspect(failure, {depth: 20, showHidden: true})).not.toContain(secret)
  return failure
}

describe('a secret comes from', () => {
  test('the value itself, whatever it looks like', async () => {
    for (const value of [
      secret,
      'pass:word',
      'env:SECRET',
      'https://x',
      'file:/x',
      'c://x',
      'data:only',
      ' $SECRET ',
    ]) {
      expect(await readReference(value, literal)).toBe(value)
    }
  })

  test('a variable', async () => {
    expect(await readReference('env://SECRET', literal)).toBe(secret)
    expect(await readReference('ENV://SECRET', path)).toBe(secret)
  })

  test('a file, by path or reference, without the last line break where a value is wanted', async () => {
    const file = await write('secret', `${secret}\n`)
    vi.stubEnv('DIR', folder.path)
    for (const value of [
      file,
      `file://${file}`,
      `FILE://${file}`,
      '~/secret',
      'file://~/secret',
      '$DIR/secret',
      '${DIR}/secret',
    ]) {
      expect(await readReference(value, path)).toBe(`${secret}\n`)
    }
    expect(await readReference(`file://${file}`, literal)).toBe(secret)
  })

  test('a file whose name holds a dollar sign', async () => {
    const file = await write('a$SECRET')
    expect(await readReference(file, path)).toBe(secret)
  })

  test('a pipe, as a shell makes them of commands', async () => {
    execFileSync('mkfifo', [at('pipe')])
    const [read] = await Promise.all([readReference(at('pipe'), path), writeFile(at('pipe'), secret)])
    expect(read).toBe(secret)
  })

  test('text in base64', async () => {
    const text = Buffer.from(secret).toString('base64')
    for (const value of [
      `data:;base64,${text}`,
      `DATA:text/plain;base64,${text}`,
      `data:;base64,${text.replace(/=/g, '')}`,
    ]) {
      expect(await readReference(value, path)).toBe(secret)
      expect(await readReference(value, literal)).toBe(secret)
    }
  })

  test('the program op, which gets the reference as it is and no input of ours', async () => {
    await program('op', `[ "$1" = read ] && [ "$2" = 'op://v/i $(date)/f' ] && [ -z "$(cat)" ] && echo ${secret}`)
    expect(await readReference('op://v/i $(date)/f', literal)).toBe(secret)
  })

  test('the program nsc, which names a creds file', async () => {
    const file = await write('x.creds')
    await program('nsc', `[ "$*" = 'generate profile nsc://o/a/u' ] && echo '{"user_creds":"${file}"}'`)
    expect(await readReference('nsc://o/a/u', path)).toBe(secret)
  })

  test('the nsc store, where the program is not there', async () => {
    vi.stubEnv('PATH', at('bin'))
    vi.stubEnv('XDG_DATA_HOME', at('data'))
    const data = at('data', 'nats', 'nsc')
    const {user} = await writeNscStore({storeRoot: join(data, 'stores'), keystore: join(data, 'keys')})
    expect(await readReference('nsc://OPS/APP/app', path)).toBe(user.creds)
    const failure = await failureOf(readReference('nsc://OPS/APP/nobody', path))
    expect(failure.message).toBe("The program 'nsc' that 'nsc://OPS/APP/nobody' needs is not on PATH.")
  })
})

describe('what gives no secret is a sentence that does not hold it', () => {
  test.each<[string, ReferenceRules, string | RegExp]>([
    ['env://NOBODY_SETS_THIS', path, "The variable 'NOBODY_SETS_THIS' that holds the creds file is not set."],
    ['env://EMPTY', literal, "The variable 'EMPTY' that holds the password is empty."],
    ['env://', path, 'The reference of the creds file names no variable.'],
    ['/nowhere/x', path, "The creds file '/nowhere/x' does not exist."],
    ['file:///nowhere/x', literal, "The password 'file:///nowhere/x' does not exist."],
    [
      '$NOBODY_SETS_THIS/x',
      path,
      "The creds file '$NOBODY_SETS_THIS/x' does not exist, and 'NOBODY_SETS_THIS' is not set.",
    ],
    ['$SECRET/x', path, "The creds file '$SECRET/x' does not exist."],
    ['/', path, "The creds file '/' is a folder."],
    ['/dev/zero', path, "The creds file '/dev/zero' is larger than 1 MiB."],
    ['/dev/null', path, 'The creds file is empty.'],
    ['', path, 'The path of the creds file is empty.'],
    ['a\0b', path, 'The path of the creds file is empty.'],
    ['vault://the-Secret-word/x', path, "The creds file is a reference of scheme 'vault', which is not known."],
    ['https://u:the-Secret-word@x', path, "The creds file is a reference of scheme 'https', which is not known."],
    ['data:,the-Secret-word', literal, 'The data reference of the password is not one in base64.'],
    ['data:;base64,the-Secret-word', path, 'The data reference of the creds file is not one in base64.'],
    ['data:the-Secret-word', path, 'The data reference of the creds file is not one in base64.'],
    [
      '-----BEGIN X-----\nthe-Secret-word',
      path,
      'The creds file is given as its text, where the path of the file belongs.',
    ],
  ])('%j', async (value, rules, message) => {
    vi.stubEnv('EMPTY', '')
    expect(await failureOf(readReference(value, rules))).toMatchObject({kind: 'connection', message})
  })

  test('a seed where a path belongs', async () => {
    const {seed} = createKey('U')
    const failure = await failureOf(readReference(`x ${seed}`, path))
    expect(inspect(failure, {depth: 20})).not.toContain(seed)
  })

  test('a file that others keep for themselves', async () => {
    const file = await write('closed')
    await chmod(file, 0)
    const outcome = await readReference(file, path).catch((error: unknown) => (error as Error).message)
    // Root may read it all the same.
    expect(outcome).toBe(process.getuid?.() === 0 ? secret : `The creds file '${file}' may not be read by this user.`)
  })

  test.each([
    ['op://v/i/f', 'op', 'op read op://v/i/f >/dev/null'],
    ['nsc://o/a/u', 'nsc', 'nsc generate profile nsc://o/a/u >/dev/null'],
  ])('a program that fails after printing it: %s', async (value, name, suggestion) => {
    await program(name, `echo ${secret}; echo ${secret} >&2; exit 3`)
    expect(await failureOf(readReference(value, path))).toMatchObject({
      kind: 'connection',
      message: `The program '${name}' did not give '${value}': it ended with code 3.`,
      suggestions: [suggestion],
    })
  })

  test('a program that is not there', async () => {
    vi.stubEnv('PATH', at('bin'))
    const {message} = await failureOf(readReference('op://v/i/f', literal))
    expect(message).toBe("The program 'op' that 'op://v/i/f' needs is not on PATH.")
  })

  test('a program that never ends, and what it started, within the time', async () => {
    await program('op', `echo ${secret}; sleep 30 & sleep 30`)
    const started = performance.now()
    const {message} = await failureOf(readReference('op://v/i/f', {...literal, timeoutMs: 300}))
    expect(message).toBe("The program 'op' did not give 'op://v/i/f': it did not end within 300 ms.")
    expect(performance.now() - started).toBeLessThan(800)
  })

  test('a program that prints nothing, too much, or no profile', async () => {
    await program('op', 'exit 0')
    expect((await failureOf(readReference('op://v/i/f', literal))).message).toBe('The password is empty.')
    await program('op', 'yes')
    expect((await failureOf(readReference('op://v/i/f', literal))).message).toContain('it printed more than 1 MiB')
    await program('nsc', `echo ${secret}`)
    expect((await failureOf(readReference('nsc://o/a/u', path))).message).toBe(
      "The program 'nsc' gave no profile of 'nsc://o/a/u'.",
    )
    await program('nsc', 'echo null')
    await failureOf(readReference('nsc://o/a/u', path))
    await program('nsc', 'echo "{}"')
    expect((await failureOf(readReference('nsc://o/a', path))).message).toContain('leads to no user')
  })
})

describe('a context that is not trusted', () => {
  const outside = 'lies outside the folder of a context file that is not trusted'

  function confined(more: Partial<ReferenceRules> = {}): ReferenceRules {
    return {...path, confinedTo: at('repo'), ...more}
  }

  test('reads the files of its folder, relative to it, also through links and a link to the folder', async () => {
    const file = await write('repo/keys/x.creds')
    await symlink('keys/x.creds', at('repo', 'link'))
    await symlink('repo', at('other-name'))
    for (const value of [file, 'keys/x.creds', './keys/../keys/x.creds', 'file://keys/x.creds', 'link']) {
      expect(await readReference(value, confined())).toBe(secret)
      expect(
        await readReference(value.replace('/repo/', '/other-name/'), confined({confinedTo: at('other-name')})),
      ).toBe(secret)
    }
    expect(await checkedPath('link', confined())).toBe(file)
  })

  test('reads a literal and base64, which need nothing else', async () => {
    expect(await readReference(secret, confined({bare: 'literal'}))).toBe(secret)
    const data = `data:;base64,${Buffer.from(secret).toString('base64')}`
    expect(await readReference(data, confined())).toBe(secret)
  })

  test('reads no file outside it', async () => {
    const file = await write('private')
    await write('repo-too/private')
    await mkdir(at('repo', 'sub'), {recursive: true})
    await symlink(file, at('repo', 'absolute'))
    await symlink('../private', at('repo', 'relative'))
    await symlink('..', at('repo', 'up'))
    await symlink('absolute', at('repo', 'twice'))
    await symlink('../nothing', at('repo', 'dangling'))
    vi.stubEnv('UP', '..')
    const values = [
      ...[file, `file://${file}`, '../private', 'sub/../../private', 'absolute', 'relative', 'up/private', 'twice'],
      ...['dangling', 'up/nothing', 'up/nothing/more', '~/private', 'file://~/private', '$UP/private', '${UP}/private'],
      ...[
        join(at('repo-too'), 'private'),
        '..',
        '.',
        '',
        '/etc/passwd',
        '/proc/self/environ',
        at('repo', '$UP', 'private'),
      ],
    ]
    for (const value of values.filter((value) => value !== '')) {
      const failure = await failureOf(readReference(value, confined()))
      expect(failure.message, value).toContain(outside)
      expect(failure).toMatchObject({
        kind: 'connection',
        suggestions: ['--trust-context, when you know who wrote the context file'],
      })
      await expect(checkedPath(value, confined()), value).rejects.toThrow(outside)
    }
  })

  test('says of a missing file inside that it is missing', async () => {
    await mkdir(at('repo'))
    for (const value of ['x.creds', 'no/x.creds', at('repo', 'x.creds')]) {
      const failure = await failureOf(readReference(value, confined()))
      expect(failure.message).toBe(`The creds file '${value}' does not exist.`)
    }
  })

  test('waits for no pipe and reads no folder', async () => {
    await mkdir(at('repo', 'sub'), {recursive: true})
    execFileSync('mkfifo', [at('repo', 'pipe')])
    for (const value of ['pipe', 'sub']) {
      expect((await failureOf(readReference(value, confined()))).message).toContain('is no plain file')
    }
  })

  test.each(['env://SECRET', 'ENV://SECRET', 'op://v/i/f', 'nsc://o/a/u'])('follows no %s', async (value) => {
    await program('op', `touch ${at('ran')}; echo ${secret}`)
    await program('nsc', `touch ${at('ran')}; echo ${secret}`)
    for (const bare of ['path', 'literal'] as const) {
      expect(await failureOf(readReference(value, confined({bare})))).toMatchObject({
        kind: 'connection',
        message: expect.stringContaining('for a context file that is not trusted') as unknown,
      })
    }
    expect(readAgain(at('ran'), undefined)).toBeUndefined()
  })
})

describe('a path of TLS', () => {
  test('may be a file reference and nothing else', async () => {
    const rules = {purpose: 'CA file'}
    expect(await checkedPath('file://~/ca.pem', rules)).toBe(at('ca.pem'))
    expect(await checkedPath('ca.pem', rules)).toBe(join(process.cwd(), 'ca.pem'))
    for (const value of ['env://SECRET', 'data:;base64,QQ==', 'op://v/i/f', 'https://x']) {
      expect((await failureOf(checkedPath(value, rules))).message).toMatch(
        /^The CA file is a reference of scheme '\w+', where only a path can be\.$/,
      )
    }
  })
})

describe('a file that is read again', () => {
  test('is followed through links that were changed, and never out of the folder', async () => {
    const [one, two] = [await write('repo/one', '1'), await write('repo/two', '2')]
    await symlink(one, at('repo', 'now'))
    expect(readAgain(at('repo', 'now'), at('repo'))).toBe('1')
    await symlink(two, at('repo', 'next'))
    await rename(at('repo', 'next'), at('repo', 'now'))
    expect(readAgain(at('repo', 'now'), at('repo'))).toBe('2')
    await symlink(await write('private'), at('repo', 'next'))
    await rename(at('repo', 'next'), at('repo', 'now'))
    expect(readAgain(at('repo', 'now'), at('repo'))).toBeUndefined()
    expect(readAgain(at('repo', 'now'), undefined)).toBe(secret)
    expect(readAgain(at(basename('missing')), undefined)).toBeUndefined()
    expect(readAgain(at('repo'), undefined)).toBeUndefined()
  })
})
