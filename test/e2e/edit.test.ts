import {spawn, type ChildProcess} from 'node:child_process'
import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'

import {bytes, startCacheServer, type CacheServer, type TestLattice} from '../support/cache-lattice.js'
import {cliIn, runToEnd, type Cli} from '../support/cli.js'
import {until} from '../support/until.js'

/** The `script` of util-linux gives a terminal. */
const hasTerminal = process.platform === 'linux' && (await runs('script', ['--version']))
const hasVim = await runs('vim', ['--version'])

let cache: CacheServer
let cli: Cli
let lattice: TestLattice
/** Of one test: its drafts, and what its editor is to do. */
let folder: string
let count = 0

beforeAll(async () => {
  cache = await startCacheServer()
})

afterAll(async () => {
  await cache[Symbol.asyncDispose]()
})

beforeEach(async () => {
  lattice = await cache.lattice()
  folder = join(cache.server.dir, `edit-${count++}`)
  await mkdir(join(folder, 'tmp'), {recursive: true})
  const editor = join(folder, 'editor.sh')
  // The nth time it runs step n on the file, once that is there, and keeps what it got.
  const lines = [
    `n=$(($(cat '${folder}/n' 2>/dev/null || echo 0) + 1)); echo $n >'${folder}/n'`,
    `cp "$1" '${folder}'/seen-$n.tmp; mv '${folder}'/seen-$n.tmp '${folder}'/seen-$n`,
    `while [ ! -e '${folder}'/step-$n ]; do sleep 0.05; done`,
    `. '${folder}'/step-$n`,
  ]
  await writeFile(editor, lines.join('\n'))
  cli = await cliIn(folder, {EDITOR: `sh ${editor}`, TMPDIR: join(folder, 'tmp'), TERM: 'xterm'})
})

describe.skipIf(!hasTerminal)('at a terminal (needs script on PATH)', () => {
  test('what is not valid is opened again with the error above it', async () => {
    await lattice.data.put('notes', bytes('{"a":1,"b":2}'))
    await using terminal = edit('key notes')
    await step(1, `sed -i 's/^a: 1/# mine\\na: 1\\na: 2/' "$1"`)
    expect(await seen(2)).toMatch(
      /^#> Not written: The value is neither JSON nor YAML, line 6, column 1: duplicate key\.\n#> key notes in .*\n#> Save .*\n# mine\na: 1\na: 2\nb: 2\n$/,
    )
    await step(2, `sed -i -e /^a:.1/d -e 's/^a: 2/a: 7/' "$1"`)
    expect(await terminal.end()).toBe(0)
    expect(terminal.screen()).toContain('Wrote key')
    expect(await stored('notes')).toBe('{"a":7,"b":2}')
    expect(await drafts()).toEqual([])
  })

  test('what is not made valid is kept', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    await using terminal = edit('key notes')
    await step(1, `printf 'a: [\\n' >"$1"`)
    await step(2, 'true')
    expect(await terminal.end()).toBe(2)
    const [kept = ''] = /\S+\/key\.yaml$/m.exec(terminal.screen().replaceAll('\r', '')) ?? []
    expect(await readFile(kept, 'utf8')).toContain('\na: [\n')
  })

  test('changes of others to other fields are joined, and offered again', async () => {
    await lattice.data.put('shop', bytes('{"name":"a","limits":{"rate":1,"burst":1}}'))
    await using terminal = edit('key shop')
    await seen(1)
    await lattice.data.put('shop', bytes('{"name":"b","limits":{"rate":1,"burst":1}}'))
    await step(1, `sed -i 's/rate: 1/rate: 9 # more/' "$1"`)
    await terminal.shows('Open the editor again')
    expect(terminal.screen()).toContain('~ name: "a" → "b"')
    expect(terminal.screen()).toContain('~ limits.rate: 1 → 9')
    terminal.press('y\r')
    expect(await seen(2)).toContain('\nname: b\nlimits:\n  rate: 9\n  burst: 1\n')
    const [copy = ''] = /\S+\.kept/.exec(await seen(2)) ?? []
    expect(await readFile(copy, 'utf8')).toContain('rate: 9 # more')
    await step(2, 'true')
    await terminal.shows('Write it as it stands')
    terminal.press('y\r')
    expect(await terminal.end()).toBe(0)
    expect(await stored('shop')).toBe('{"name":"b","limits":{"rate":9,"burst":1}}')
    expect(await drafts()).toEqual([])
  })

  test('where both changed the same, theirs stands above it, and the next conflict is one with the latest', async () => {
    await lattice.data.put('shop', bytes('{"a":1,"b":1}'))
    await using terminal = edit('key shop')
    await seen(1)
    await lattice.data.put('shop', bytes('{"a":2,"b":1}'))
    await step(1, `sed -i 's/^a: 1/a: 3/' "$1"`)
    await terminal.shows('Open the editor again')
    expect(terminal.screen()).toContain('Both changed: a')
    terminal.press('y\r')
    expect(await seen(2)).toContain('\n# theirs: 2\n# before: 1\na: 3\nb: 1\n')
    await lattice.data.put('shop', bytes('{"a":2,"b":5}'))
    await step(2, `sed -i 's/^a: 3/a: 23/' "$1"`)
    await terminal.shows('Open the editor again')
    terminal.press('y\r')
    await step(3, 'touch "$1"')
    await terminal.shows('Write it as it stands')
    terminal.press('y\r')
    expect(await terminal.end()).toBe(0)
    expect(await stored('shop')).toBe('{"a":23,"b":5}')
  })

  test.each(['n\r', '\u0003', '\u0004'])('a conflict answered with %j leaves theirs, and keeps mine', async (key) => {
    await lattice.data.put('shop', bytes('{"a":1}'))
    await using terminal = edit('key shop')
    await seen(1)
    await lattice.data.put('shop', bytes('{"a":2}'))
    await step(1, `sed -i 's/^a: 1/a: 3/' "$1"`)
    await terminal.shows('Open the editor again')
    terminal.press(key)
    expect(await terminal.end()).toBe(5)
    expect(await stored('shop')).toBe('{"a":2}')
    const [name = ''] = await drafts()
    expect(await readFile(join(folder, 'tmp', name, 'key.yaml'), 'utf8')).toContain('a: 3')
  })

  test('a record that somebody deleted meanwhile can be written again', async () => {
    await lattice.data.put('shop', bytes('{"a":1}'))
    await using terminal = edit('key shop')
    await seen(1)
    await lattice.data.del('shop')
    await step(1, `sed -i 's/^a: 1/a: 3/' "$1"`)
    await terminal.shows('Open the editor again')
    expect(terminal.screen()).toContain('They deleted it')
    terminal.press('y\r')
    await step(2, 'true')
    await terminal.shows('Write it as it stands')
    terminal.press('y\r')
    expect(await terminal.end()).toBe(0)
    expect(await stored('shop')).toBe('{"a":3}')
  })

  test('Ctrl-C in the editor is for the editor', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    await using terminal = edit('key notes')
    await step(
      1,
      `trap 'touch "${folder}/interrupted"' INT; : >"${folder}/ready"
while [ ! -e "${folder}/interrupted" ]; do sleep 0.05; done; sed -i 's/a: 1/a: 2/' "$1"`,
    )
    await until(() => exists(join(folder, 'ready')), 20_000)
    terminal.press('\u0003')
    expect(await terminal.end()).toBe(0)
    expect(await stored('notes')).toBe('{"a":2}')
  })

  test.skipIf(!hasVim)('vim edits, and Ctrl-C in it loses nothing (needs vim on PATH)', async () => {
    await lattice.data.put('notes', bytes('{"a":1,"b":["x"]}'))
    await using terminal = edit('key notes', "vim -N -u NONE -c 'set nomore shortmess=aoOtTI'")
    await terminal.shows('b:')
    terminal.press(':%s/a: 1/a: 2/\r')
    // It shows the cursor again when it is done.
    await terminal.shows('\u001b[?25h')
    terminal.press('\u0003')
    await terminal.shows('to abandon all changes')
    terminal.press(':wq\r')
    expect(await terminal.end()).toBe(0)
    expect(await stored('notes')).toBe('{"a":2,"b":["x"]}')
    expect(await drafts()).toEqual([])
  })
})

describe('nothing that was typed is lost', () => {
  test.each(['SIGTERM', 'SIGHUP'] as const)('%s ends the editor, and the file is named and kept', async (signal) => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    const ended = await endedBy(signal)
    expect(ended.exitCode).toBe(130)
    const {kept} = (ended.json() as {error: {details: {kept: string}}}).error.details
    expect(await readFile(kept, 'utf8')).toContain('a: typed')
    expect((await stat(kept)).mode & 0o777).toBe(0o600)
    expect(ended.stderr).toContain(kept)
    expect(await stored('notes')).toBe('{"a":1}')
  })

  test('after SIGKILL the file is there, and was named before the editor opened', async () => {
    await lattice.data.put('notes', bytes('{"a":1}'))
    const ended = await endedBy('SIGKILL')
    const [kept = ''] = /\/\S+\/key\.yaml/.exec(ended.stderr) ?? []
    expect(await readFile(kept, 'utf8')).toContain('a: typed')
  })

  test('when the server is gone, and it is written when the server is back in time', async () => {
    await using other = await startCacheServer()
    const own = await other.lattice({buckets: false})
    const where = [...own.where]
    await cli.ok('cache', 'put', 'key', 'notes', '{"a":1}', ...where)
    // The client gives up on the server after a second or two.
    const gone = cli.fails(11, 'cache', 'edit', 'key', 'notes', '--timeout', '10s', ...where)
    await seen(1)
    await other.server.kill()
    await step(1, `sed -i 's/a: 1/a: 2/' "$1"`)
    const {details} = await gone
    expect(await readFile(details['kept'] as string, 'utf8')).toContain('a: 2')

    await other.server.restart()
    const back = cli.ok('cache', 'edit', 'key', 'notes', ...where)
    await seen(2)
    await other.server.kill()
    await other.server.restart()
    await step(2, `sed -i 's/a: 1/a: 3/' "$1"`)
    expect(await back).toMatchObject({changed: true, value: {a: 3}})
  })
})

interface Terminal extends AsyncDisposable {
  /** What was written to it since keys were pressed. */
  screen: () => string
  /** Resolves when that holds a text. */
  shows: (text: string) => Promise<void>
  press: (keys: string) => void
  /** The exit code. */
  end: () => Promise<number | null>
}

/** Starts `cache edit` at a terminal of its own. */
function edit(record: string, editor?: string): Terminal {
  // A shell in between would end at Ctrl-C.
  const line = `exec lattice cache edit ${record} ${lattice.where.join(' ')}`
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    env: {...cli.env, ...(editor === undefined ? {} : {EDITOR: editor})},
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  let screen = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (screen += chunk))
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    screen: () => screen,
    shows: async (text) => {
      await until(() => screen.includes(text), 30_000).catch(() => {
        throw new Error(`${JSON.stringify(text)} did not come: ${JSON.stringify(screen)}`)
      })
    },
    press: (keys) => {
      screen = ''
      child.stdin.write(keys)
    },
    end: () => exit,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** Lets the editor type, and then sends a signal to lattice. */
async function endedBy(signal: NodeJS.Signals): ReturnType<typeof runToEnd> {
  let lattices: ChildProcess | undefined
  await writeFile(
    join(folder, 'step-1'),
    `sed -i 's/a: 1/a: typed/' "$1"; : >"${folder}/typed"
i=0; while [ ! -e "${folder}/go-on" ] && [ $i -lt 200 ]; do i=$((i + 1)); sleep 0.05; done`,
  )
  const bin = new URL('../../bin/run.js', import.meta.url).pathname
  const argv = [bin, 'cache', 'edit', 'key', 'notes', '--json', ...lattice.where]
  const ended = runToEnd(process.execPath, argv, cli.env, {onStart: (child) => (lattices = child)})
  await until(() => exists(join(folder, 'typed')), 20_000)
  lattices?.kill(signal)
  // The editor that lattice could not end has its stderr open.
  if (signal === 'SIGKILL') await writeFile(join(folder, 'go-on'), '')
  return ended
}

/** What the editor got the nth time. */
async function seen(time: number): Promise<string> {
  const path = join(folder, `seen-${time}`)
  await until(() => exists(path), 30_000)
  return readFile(path, 'utf8')
}

function step(time: number, script: string): Promise<void> {
  return writeFile(join(folder, `step-${time}`), script)
}

async function stored(key: string): Promise<string> {
  return new TextDecoder().decode((await lattice.data.get(key))?.value)
}

async function drafts(): Promise<string[]> {
  return (await readdir(join(folder, 'tmp'))).filter((name) => name.startsWith('lattice-edit-'))
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function runs(program: string, argv: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, [...argv], {stdio: 'ignore'})
    child.once('error', () => resolve(false)).once('close', (code) => resolve(code === 0))
  })
}
