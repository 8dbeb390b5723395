import {spawn} from 'node:child_process'
import {cp, mkdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {describe, expect, test} from 'vitest'

import {tempFolder} from '../support/temp.js'

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))

/** A clone in small: one local dependency, a build that copies src, and a nats-server that is always found. */
async function makeClone(folder: string): Promise<void> {
  const built = 'dist/lib'
  await mkdir(join(folder, 'dep'), {recursive: true})
  await mkdir(join(folder, 'src'))
  await cp(scripts, join(folder, 'scripts'), {recursive: true})
  const manifest = {
    name: 'clone',
    version: '1.0.0',
    type: 'module',
    scripts: {build: 'node build.js'},
    dependencies: {dep: 'file:./dep'},
  }
  const packages = {'': manifest, dep: {version: '1.0.0'}, 'node_modules/dep': {resolved: 'dep', link: true}}
  const files: Readonly<Record<string, string>> = {
    'package.json': JSON.stringify(manifest),
    'package-lock.json': JSON.stringify({
      name: 'clone',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages,
    }),
    'dep/package.json': JSON.stringify({name: 'dep', version: '1.0.0'}),
    'src/one.js': '// one',
    'build.js': `import {appendFileSync, cpSync, mkdirSync, writeFileSync} from 'node:fs'
appendFileSync('builds', 'x')
for (const folder of ['${built}/server', 'examples/echo/build', 'examples/keys']) mkdirSync(folder, {recursive: true})
writeFileSync('examples/echo/build/echo.wasm', '')
writeFileSync('examples/keys/echo.nk', '')
cpSync('src', 'dist', {recursive: true})
writeFileSync('${built}/errors.js', 'export class LatticeError extends Error {}')
writeFileSync('${built}/server/fetch.js', "export const ensureNatsServer = async () => ({path: 'package.json', version: '1', from: 'PATH'})")
`,
    'after.js': 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
}

async function setUp(folder: string, ...args: readonly string[]) {
  const child = spawn(process.execPath, ['scripts/setup.js', ...args], {cwd: folder, stdio: ['ignore', 'pipe', 'pipe']})
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  return {code, stdout, lines: stderr.split('\n').filter((line) => line !== '')}
}

const builds = async (folder: string): Promise<number> => (await readFile(join(folder, 'builds'), 'utf8')).length

describe('setup.js', () => {
  test('says each step in one line of its own, and the second time does nothing', async () => {
    await using clone = await tempFolder()
    await makeClone(clone.path)
    const first = await setUp(clone.path)
    expect(first.lines).toEqual([
      'setup: installing the locked packages (npm ci)',
      'setup: building (npm run build)',
      'setup: looking for nats-server',
      'setup: nats-server 1 (PATH)',
      expect.stringMatching(/^setup: done in [\d.]+ s$/),
    ])
    expect([first.code, first.stdout]).toEqual([0, ''])
    expect(await setUp(clone.path)).toMatchObject({code: 0, lines: ['setup: everything is ready']})
    expect(await setUp(clone.path, '--quiet')).toEqual({code: 0, stdout: '', lines: []})
    expect(await builds(clone.path)).toBe(1)
  })

  test('builds again when a source changed or an output is gone, installs again when the lock file changed', async () => {
    await using clone = await tempFolder()
    await makeClone(clone.path)
    await setUp(clone.path)
    await writeFile(join(clone.path, 'src/two.js'), '')
    expect((await setUp(clone.path)).lines).toContain('setup: building (npm run build)')
    await rm(join(clone.path, 'dist/two.js'))
    expect((await setUp(clone.path)).lines).not.toContain('setup: installing the locked packages (npm ci)')
    expect(await builds(clone.path)).toBe(3)
    const lock = join(clone.path, 'package-lock.json')
    await writeFile(lock, `${await readFile(lock, 'utf8')}\n`)
    expect((await setUp(clone.path)).lines).toContain('setup: installing the locked packages (npm ci)')
  })

  test('a failed step is named after its last lines, and the next run goes on from there', async () => {
    await using clone = await tempFolder()
    await makeClone(clone.path)
    const build = await readFile(join(clone.path, 'build.js'), 'utf8')
    await writeFile(join(clone.path, 'build.js'), "console.error('a broken line'); process.exit(2)")
    const failed = await setUp(clone.path)
    expect(failed.code).toBe(1)
    expect(failed.lines).toContain('  | a broken line')
    expect(failed.lines.at(-2)).toBe('setup: failed while building')
    await writeFile(join(clone.path, 'build.js'), build)
    const mended = await setUp(clone.path)
    expect([mended.code, mended.lines[0]]).toEqual([0, 'setup: building (npm run build)'])
  })

  test('packages that do not fit the lock file are a failed step with what to do', async () => {
    await using clone = await tempFolder()
    await makeClone(clone.path)
    await writeFile(join(clone.path, 'package-lock.json'), '{"lockfileVersion": 3, "packages": {}}')
    const failed = await setUp(clone.path)
    expect(failed.code).toBe(1)
    expect(failed.lines).toContain('setup: failed while installing packages')
  })

  test('two at once build once', async () => {
    await using clone = await tempFolder()
    await makeClone(clone.path)
    const both = await Promise.all([setUp(clone.path), setUp(clone.path)])
    expect(both.map(({code}) => code)).toEqual([0, 0])
    expect(both.flatMap(({lines}) => lines)).toContain('setup: waiting for another set-up of this folder')
    expect(await builds(clone.path)).toBe(1)
  })

  test('--run goes on with a script, its arguments and its exit code, and keeps stdout for it', async () => {
    await using clone = await tempFolder()
    await makeClone(clone.path)
    const {code, stdout} = await setUp(clone.path, '--run', 'after.js', '--json', '--quiet')
    expect([code, stdout]).toEqual([7, '["--json","--quiet"]\n'])
  })
})
