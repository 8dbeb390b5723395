// Compiles and signs the sample actors: what `lattice claims sign` does, with the same keys, for each version of each.
import {createHash} from 'node:crypto'
import {mkdir, readdir, readFile, rename, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {signModuleFile} from '../dist/lib/wasm/module-file.js'
import {ensureKeyFile, userIssuerFile} from '../dist/lib/keys/store.js'
import {configDir} from '../dist/lib/files/paths.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const examples = [{name: 'echo', versions: ['1.0.0', '2.0.0'], caps: ['wasmcloud:httpserver']}]
const compilerFlags = ['--runtime', 'minimal', '--use', 'abort=', '-O2']

for (const example of examples) await buildExample(example)

async function buildExample({name, versions, caps}) {
  const folder = join(root, 'examples', name)
  const build = join(folder, 'build')
  const moduleKeyFile = join(root, 'examples', 'keys', `${name}.nk`)
  const issuerKeyFile = userIssuerFile(configDir())
  await mkdir(join(build, 'unsigned'), {recursive: true})
  const keys = await Promise.all([ensureKeyFile(moduleKeyFile, 'M'), ensureKeyFile(issuerKeyFile, 'A')])
  const source = await digestOf(folder)
  const stamp = JSON.stringify({source, keys: keys.map(({key}) => key.publicKey), versions, caps})
  const output = (version) => join(build, `${name}-${version}.wasm`)
  if (await isCurrent(join(build, 'stamp.json'), stamp, versions.map(output))) return

  await writeAtomic(join(build, 'stamp.json'), '')
  // Only the signature changes with the keys, and compiling is what takes time.
  const compiled = await readOrNothing(join(build, 'unsigned', 'source'))
  for (const version of versions) {
    const unsigned = join(build, 'unsigned', `${name}-${version}.wasm`)
    if (compiled?.toString('utf8') !== source) await writeAtomic(unsigned, await compile(folder, version))
    const request = {name, version, caps, tags: [], moduleKeyFile, issuerKeyFile, overwrite: true, dryRun: false}
    await signModuleFile({...request, input: unsigned, output: output(version)}, Date.now())
  }
  await writeAtomic(join(build, 'unsigned', 'source'), source)
  await writeAtomic(join(build, 'stamp.json'), stamp)
}

/** Compiles the sources in memory, with `version` in place of the one in version.ts. */
async function compile(folder, version) {
  const {default: asc} = await import('assemblyscript/asc')
  let wasm
  const messages = []
  const collect = {write: (text) => messages.push(text)}
  const {error} = await asc.main(['index.ts', '--outFile', 'out.wasm', ...compilerFlags], {
    stdout: collect,
    stderr: collect,
    listFiles: () => [],
    readFile: async (file) =>
      file === 'version.ts'
        ? `export const version: string = ${JSON.stringify(version)}\n`
        : ((await readOrNothing(join(folder, 'assembly', file)))?.toString('utf8') ?? null),
    writeFile: (_file, contents) => {
      wasm = contents
    },
  })
  if (error !== null || wasm === undefined) throw new Error(`${folder} does not compile.\n${messages.join('')}`)
  return wasm
}

/** All that decides what the compiler writes. */
async function digestOf(folder) {
  const hash = createHash('sha256')
  const compiler = JSON.parse(await readFile(join(root, 'node_modules', 'assemblyscript', 'package.json'), 'utf8'))
  hash.update(JSON.stringify([compiler.version, compilerFlags]))
  for (const file of (await readdir(join(folder, 'assembly'))).sort()) {
    hash.update(`\0${file}\0`).update(await readFile(join(folder, 'assembly', file)))
  }
  return hash.digest('hex')
}

async function isCurrent(stampFile, stamp, outputs) {
  const files = await Promise.all([stampFile, ...outputs].map(readOrNothing))
  return files.every((bytes) => bytes !== undefined) && files[0].toString('utf8') === stamp
}

async function readOrNothing(file) {
  try {
    return await readFile(file)
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

async function writeAtomic(file, contents) {
  const temporary = `${file}.${process.pid}.tmp`
  await writeFile(temporary, contents)
  await rename(temporary, file)
}
