// Makes a clone ready to use: packages, build, nats-server. Runs on any Node from 18 and needs no package.
//   node scripts/setup.js [--quiet] [--run <script> <argument>…]
// With --run the script follows on the project's own Node. In `setup.js && node script.js` a shell may run the
// machine's Node twice on the first set-up, because it remembers where it found `node` before node_modules was there.
import {spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join, relative, sep} from 'node:path'
import {fileURLToPath} from 'node:url'

import {takeLock} from './lock.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const stampFile = join(root, 'node_modules', '.cache', 'lattice-setup.json')
const [ours, then] = splitArguments(process.argv.slice(2))
const quiet = ours.includes('--quiet')
const tail = 25

class StepFailed extends Error {
  constructor(step, output, advice) {
    super(step)
    this.output = output
    this.advice = advice
  }
}

if ((await main()) && then.length > 0) process.exitCode = await runAfter(then)

/** True when everything is ready. */
async function main() {
  const startedAt = Date.now()
  if (isCurrent()) return done('everything is ready')
  const lock = await takeLock(root, () => say('waiting for another set-up of this folder'))
  process.once('exit', () => lock.release())
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
  try {
    if (isCurrent()) return done('everything is ready')
    await setUp()
    say(`done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`)
    return true
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    process.exitCode = 1
    explain(error)
    return false
  } finally {
    lock.release()
  }
}

/** Each step leaves its mark at once, so that a failed set-up goes on where it stopped. */
async function setUp() {
  const wanted = wantedState()
  if (readStamp().packages !== wanted.packages || !packagesAreThere()) {
    say('installing the locked packages (npm ci)')
    await runNpm(['ci', '--no-progress'], 'installing packages', [
      'Check that the package registry can be reached, then run the same command again.',
    ])
    writeStamp({packages: wanted.packages})
  }
  checkNode()
  if (readStamp().sources !== wanted.sources || !outputsAreThere()) {
    say('building (npm run build)')
    await runNpm(['run', 'build'], 'building', ['Mend what the lines above name, then run the same command again.'])
    writeStamp({...readStamp(), sources: wanted.sources, outputs: outputs()})
  }
  if (!natsServerIsThere()) {
    say('looking for nats-server')
    const found = await runNode(['scripts/ensure-nats-server.js'], 'getting nats-server')
    writeStamp({...readStamp(), natsServer: found.trim(), natsServerFrom: natsServerSettings()})
  }
}

/** True when a look at files alone shows that there is nothing to do. */
function isCurrent() {
  const [stamp, wanted] = [readStamp(), wantedState()]
  return (
    stamp.packages === wanted.packages &&
    stamp.sources === wanted.sources &&
    packagesAreThere() &&
    outputsAreThere() &&
    natsServerIsThere()
  )
}

function wantedState() {
  return {
    packages: digest(['package.json', 'package-lock.json', '.npmrc']),
    sources: digest([
      'tsconfig.json',
      'scripts/build-examples.js',
      'package-lock.json',
      ...filesBelow('src'),
      ...filesBelow('examples').filter((file) => !isBuilt(file)),
    ]),
  }
}

function packagesAreThere() {
  return existsSync(join(root, 'node_modules', '.package-lock.json'))
}

function outputs() {
  return [...filesBelow('dist'), ...filesBelow('examples').filter(isBuilt)]
}

function outputsAreThere() {
  const {outputs: built = []} = readStamp()
  return built.length > 0 && built.every((file) => existsSync(join(root, file)))
}

function natsServerIsThere() {
  const {natsServer, natsServerFrom} = readStamp()
  return natsServer !== undefined && natsServerFrom === natsServerSettings() && existsSync(natsServer)
}

/** What decides which nats-server is found; PATH itself changes from shell to shell. */
function natsServerSettings() {
  return [process.env.LATTICE_NATS_SERVER ?? '', process.env.XDG_CACHE_HOME ?? ''].join('\n')
}

function isBuilt(file) {
  const [, example, folder] = file.split(sep)
  return example === 'keys' || folder === 'build'
}

function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), {withFileTypes: true})
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort()
}

function digest(files) {
  const hash = createHash('sha256')
  for (const file of files) {
    if (existsSync(join(root, file))) hash.update(`${file}\0`).update(readFileSync(join(root, file)))
  }
  return hash.digest('hex')
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'))
  } catch {
    return {}
  }
}

function writeStamp(stamp) {
  mkdirSync(join(stampFile, '..'), {recursive: true})
  writeFileSync(stampFile, JSON.stringify(stamp))
}

/** The Node that the npm scripts run on: the one among the packages, else this one if it is new enough. */
function projectNode() {
  const own = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  return existsSync(own) ? own : process.execPath
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (projectNode() !== process.execPath || major > 22 || (major === 22 && minor >= 13)) return
  throw new StepFailed(
    'installing packages',
    `The package 'node' put no program into node_modules, and this Node is ${process.versions.node}.`,
    [
      'Allow its install script (npm config get ignore-scripts), or use Node 22.13 or newer.',
      'Then remove node_modules and run the same command again.',
    ],
  )
}

function runNpm(args, step, advice) {
  const npm = process.env.npm_execpath
  if (npm?.endsWith('.js'))
    return run(process.env.npm_node_execpath ?? process.execPath, [npm, ...args], {step, advice})
  return run('npm', args, {step, advice, shell: process.platform === 'win32'})
}

function runNode(args, step) {
  return run(projectNode(), args, {step, advice: [], passErrors: true})
}

/** Runs a program quietly and returns its stdout; a failure carries the last lines of what it wrote. */
function run(file, args, {step, advice, shell = false, passErrors = false}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: root,
      shell,
      stdio: ['ignore', 'pipe', passErrors ? 'inherit' : 'pipe'],
      windowsHide: true,
    })
    let [stdout, output] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
      output += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text) => (output += text))
    child.once('error', (error) =>
      reject(new StepFailed(step, `'${relative(root, file)}' could not be started: ${error.message}`, advice)),
    )
    child.once('close', (code) => (code === 0 ? resolve(stdout) : reject(new StepFailed(step, output, advice))))
  })
}

function explain({message, output, advice}) {
  const lines = output.trim().split('\n').slice(-tail)
  for (const line of lines) if (line !== '') process.stderr.write(`  | ${line}\n`)
  say(`failed while ${message}`)
  for (const line of advice) process.stderr.write(`  ${line}\n`)
}

function done(text) {
  if (!quiet && then.length === 0) say(text)
  return true
}

function splitArguments(args) {
  const at = args.indexOf('--run')
  return at < 0 ? [args, []] : [args.slice(0, at), args.slice(at + 1)]
}

/** Signals of a terminal reach the script by themselves; others are handed on, and it alone decides when to end. */
function runAfter(args) {
  process.removeAllListeners('SIGINT').removeAllListeners('SIGTERM')
  return new Promise((resolve, reject) => {
    const child = spawn(projectNode(), args, {cwd: root, stdio: 'inherit'})
    process.on('SIGINT', () => undefined)
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)))
  })
}

// On stderr: what follows the set-up in the same npm script may print one JSON document on stdout.
function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}
