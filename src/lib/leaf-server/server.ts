import {randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {readFile, writeFile} from 'node:fs/promises'
import {createServer, type AddressInfo} from 'node:net'

import {z} from 'zod'

import type {Clock} from '../clock.js'
import {renderMappings} from '../conf/mappings-text.js'
import {ConflictError, ConnectionError, LatticeError, ServerError} from '../errors.js'
import {writeFileAtomic} from '../files/write-file.js'
import {SystemClient} from '../nats/system.js'
import {serverEnv} from '../server/embedded-server.js'
import type {NatsServerBinary} from '../server/find.js'
import {endProcess, isRunning, startDetached, worstLine, type DetachedProcess} from '../server/process.js'
import type {LeafState} from '../leaf/state.js'
import {linkedAccounts, renderLeafConfig, type LeafConfig} from './config.js'
import {HubRefusedError, hubReason, logEnd, logSince} from './hub-reason.js'
import type {leafFiles} from './places.js'
import {formatListen, type ListenAddress} from './settings.js'

export interface ServerStart {
  readonly binary: NatsServerBinary
  readonly folder: string
  readonly files: ReturnType<typeof leafFiles>
  readonly config: Omit<LeafConfig, 'listen' | 'system' | 'logFile' | 'pidFile'>
  /** Port 0: the system chooses. */
  readonly listen: ListenAddress
  readonly clock: Clock
  /** Milliseconds until it must answer. */
  readonly timeoutMs: number
}

/** The nats-server of a leaf node, as it runs. */
export interface LeafServer {
  readonly process: DetachedProcess
  /** Of its own system account, which only we use. */
  readonly system: SystemClient
  /** Where callers connect, with the port that it really has. */
  readonly listen: ListenAddress
  /** Where its log began. */
  readonly logFrom: number
}

/** Starts the server and resolves when it answers its system user; ends it again when it does not. */
export async function startLeafServer(start: ServerStart): Promise<LeafServer> {
  for (let triesLeft = 5; ; triesLeft--) {
    const listen = start.listen.port === 0 ? {...start.listen, port: await freePort(start.listen.host)} : start.listen
    try {
      return await startAt(start, listen)
    } catch (error) {
      // Between choosing a port and taking it another program may have taken it.
      if (start.listen.port !== 0 || triesLeft === 0 || !(error instanceof LeafPortTakenError)) throw error
    }
  }
}

async function startAt(start: ServerStart, listen: ListenAddress): Promise<LeafServer> {
  const {files, binary, folder, clock} = start
  const logFrom = await logEnd(files.serverLog)
  await writeFiles(start, listen)
  const process = await startDetached({
    file: binary.path,
    args: ['-c', files.config],
    cwd: folder,
    env: serverEnv(),
    logFile: `${files.serverLog}.start`,
  })
  if (process === undefined) throw await startFailure(start, listen, logFrom)
  try {
    return {process, listen, logFrom, system: await openSystem(start, listen, {process, logFrom})}
  } catch (error) {
    await endProcess(process.identity, 5000, clock)
    throw error
  }
}

async function writeFiles({files, config}: ServerStart, listen: ListenAddress): Promise<void> {
  const system = {user: 'lattice', password: randomBytes(24).toString('base64url')}
  const url = `nats://${formatListen(reachable(listen))}`
  await writeFileAtomic(files.systemContext, JSON.stringify({url, ...system}))
  const {serverLog: logFile, serverPid: pidFile} = files
  await writeFileAtomic(
    files.config,
    renderLeafConfig({...config, listen: formatListen(listen), system, logFile, pidFile}),
  )
  // Without a block of mappings a reload would keep those that there were.
  await writeFile(files.mappings, renderMappings(new Map()), {flag: 'wx', mode: 0o600}).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  })
}

async function openSystem(
  start: ServerStart,
  listen: ListenAddress,
  {process, logFrom}: {readonly process: DetachedProcess; readonly logFrom: number},
): Promise<SystemClient> {
  const {clock, timeoutMs, files} = start
  const deadline = clock.now() + timeoutMs
  for (;;) {
    try {
      const system = await SystemClient.open({
        servers: [`nats://${formatListen(reachable(listen))}`],
        sysContext: files.systemContext,
        lattice: 'default',
        protected: false,
        timeoutMs: 5000,
        connectTimeoutMs: 1000,
      })
      await system.servers()
      return system
    } catch (error) {
      if (!(error instanceof LatticeError)) throw error
      if (!(await isRunning(process.identity))) throw await startFailure(start, listen, logFrom)
      if (clock.now() > deadline) throw error
      await clock.sleep(25)
    }
  }
}

async function startFailure(
  {files, config: {name}}: ServerStart,
  listen: ListenAddress,
  logFrom: number,
): Promise<LatticeError> {
  const printed = await readFile(`${files.serverLog}.start`, 'utf8').catch(() => '')
  const log = [...(await logSince(files.serverLog, logFrom)), ...printed.split('\n')].filter(
    (line) => line.trim() !== '',
  )
  if (log.some((line) => /address already in use|cannot assign requested address/i.test(line))) {
    return new LeafPortTakenError(listen)
  }
  const worst = worstLine(log, /\[(FTL|ERR)\]|nats-server:/).replace(/^\[\d+\] \S+ \S+ \[\w+\] /, '')
  return new ServerError(`The nats-server of leaf node '${name}' ended at start: ${worst}.`, {
    details: {log: log.slice(-12)},
  })
}

const leafzSchema = z.object({leafs: z.array(z.object({account: z.string().optional()})).nullish()})

/** True while the leaf node is connected to the account's servers in all that it needs. */
export async function isConnected({system}: Pick<LeafServer, 'system'>, form: LeafState['form']): Promise<boolean> {
  const [reply] = await system.ask('LEAFZ', {}, {expect: 1})
  const links = leafzSchema.safeParse(reply?.data ?? {}).data?.leafs ?? []
  return linkedAccounts(form).every((name) => links.some(({account}) => account === name))
}

/** Resolves when the leaf node is connected; throws a HubRefusedError with the reason that its server wrote. */
export async function waitForHub(
  server: LeafServer,
  {files, clock, timeoutMs, config}: ServerStart,
  {form, urls}: {readonly form: LeafState['form']; readonly urls: readonly string[]},
): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    if (await isConnected(server, form)) return
    const reason = hubReason(await logSince(files.serverLog, server.logFrom))
    if (clock.now() > deadline) throw new HubRefusedError(urls, reason)
    if (!(await isRunning(server.process.identity))) {
      throw new ConnectionError(
        `The nats-server of leaf node '${config.name}' ended: ${reason ?? 'it did not say why'}.`,
      )
    }
    await clock.sleep(25)
  }
}

/** Ends the server; its callers connect to where else they may. */
export async function endLeafServer({process: running, system}: LeafServer, clock: Clock): Promise<void> {
  // Not its lame duck mode: that closes a connection a second, its own to the account's servers among them.
  await Promise.all([system[Symbol.asyncDispose](), endProcess(running.identity, 5000, clock)])
}

function reachable({host, port}: ListenAddress): ListenAddress {
  return {host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port}
}

async function freePort(host: string): Promise<number> {
  const probe = createServer()
  try {
    probe.listen(0, host)
    await once(probe, 'listening')
    return (probe.address() as AddressInfo).port
  } catch (cause) {
    throw new LeafPortTakenError({host, port: 0}, cause)
  } finally {
    probe.close()
  }
}

/** Callers could not connect where they were to. */
export class LeafPortTakenError extends ConflictError {
  constructor(listen: ListenAddress, cause?: unknown) {
    super(
      `The leaf node cannot listen on ${formatListen(listen)}: the port is in use, or the address is not this machine's.`,
      {
        suggestions: ['--listen 127.0.0.1:-1   (the system chooses the port)'],
        details: {...listen},
        cause,
      },
    )
  }
}
