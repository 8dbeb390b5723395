import {readFile} from 'node:fs/promises'
import {basename} from 'node:path'

import {z} from 'zod'

import type {Clock} from '../clock.js'
import {ConnectionError, LatticeError, ServerError, UsageError} from '../errors.js'
import {NoRespondersError, request} from '../nats/request.js'
import {parseSystemReply, type Monitoring, type ServerIdentity, type SystemClient} from '../nats/system.js'

/** How one server is told to read its configuration again. */
export interface Reload {
  readonly system: SystemClient | undefined
  /** Process id or the path of a file with it. */
  readonly pid: string | undefined
  readonly clock: Clock
  readonly timeoutMs: number
}

const loadSchema = z.object({config_load_time: z.string().optional()})

/** When each server loaded its configuration, as it says itself. */
export async function readLoadTimes(monitoring: Monitoring): Promise<ReadonlyMap<string, string>> {
  const replies = await monitoring.ask('VARZ')
  return new Map(replies.map(({server, data}) => [server.id, loadSchema.parse(data).config_load_time ?? '']))
}

/**
 * Tells a server to reload, through the system account where it knows that (2.10), else by SIGHUP. Throws a
 * ReloadRefusedError with the server's reason, and a NoWayToReloadError when there is neither.
 */
export async function reload(server: Pick<ServerIdentity, 'id' | 'name'>, how: Reload): Promise<void> {
  if (how.system !== undefined) {
    const subject = `$SYS.REQ.SERVER.${server.id}.RELOAD`
    try {
      const reply = await request(how.system.connection, subject, '', {timeoutMs: how.timeoutMs})
      const {error} = parseSystemReply(reply, subject)
      if (error !== undefined) throw new ReloadRefusedError(server.name, error.description)
      return
    } catch (error) {
      if (!isNotTaken(error) || how.pid === undefined)
        throw isNotTaken(error) ? new NoWayToReloadError(server.name, error) : error
    }
  }
  if (how.pid === undefined) throw new NoWayToReloadError(server.name)
  const pid = await readPid(how.pid)
  await checkProcess(pid)
  process.kill(pid, 'SIGHUP')
}

/** Servers before 2.10 do not listen there, and not every system user may ask. */
function isNotTaken(error: unknown): error is LatticeError {
  return (
    error instanceof NoRespondersError || (error instanceof LatticeError && error.details['reason'] === 'no-permission')
  )
}

async function readPid(pid: string): Promise<number> {
  const text = /^\d+$/.test(pid)
    ? pid
    : await readFile(pid, 'utf8').catch((cause: unknown) => {
        throw new UsageError(`The pid file '${pid}' cannot be read.`, {details: {file: pid}, cause})
      })
  const found = /^\s*([1-9]\d*)\s*$/.exec(text)?.[1]
  if (found === undefined) throw new UsageError(`'${pid}' holds no process id.`, {details: {pid}})
  return Number(found)
}

/** SIGHUP ends most programs, and ids of processes are given away again. */
async function checkProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, 0)
  } catch (cause) {
    const reason =
      (cause as NodeJS.ErrnoException).code === 'EPERM' ? 'may not be signalled by this user' : 'does not exist'
    throw new ConnectionError(`The process ${pid} ${reason}.`, {
      suggestions: ['--pid FILE with the pid_file of the server'],
      details: {pid},
      cause,
    })
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)
  if (command === undefined || /nats/i.test(basename(command.split('\0', 1)[0] ?? ''))) return
  throw new UsageError(`The process ${pid} is no nats-server.`, {
    suggestions: ['--pid FILE with the pid_file of the server'],
    details: {pid},
  })
}

/** A server keeps its old configuration as a whole. */
export class ReloadRefusedError extends ServerError {
  /** Without a full stop; the server's own words. */
  readonly reason: string
  readonly server: string

  constructor(server: string, reason: string) {
    const told = reason.trim().replace(/\.$/, '')
    super(`Server '${server}' refused to reload: ${told}.`, {details: {server, reason: told}})
    this.reason = told
    this.server = server
  }

  /** The same without what the server quotes, which may be of others; `ours` may be shown. */
  hiding(ours: readonly string[]): ReloadRefusedError {
    return new ReloadRefusedError(this.server, hideQuoted(this.reason, ours))
  }
}

/** A server's words without the names in quotation marks that are not ours. */
export function hideQuoted(reason: string, ours: readonly string[]): string {
  return reason.replace(/"([^"]*)"/g, (quoted, text: string) => (ours.includes(text) ? quoted : '"…"'))
}

/** The server can be told neither by request nor by signal. */
export class NoWayToReloadError extends ConnectionError {
  constructor(server: string, cause?: unknown) {
    super(`Server '${server}' cannot be told to reload.`, {
      suggestions: [
        '--sys-creds FILE (or LATTICE_SYS_CREDS) with a user of the system account, from nats-server 2.10 on',
        '--pid FILE with the pid_file of the server',
        '--render-to DIR, and reload it by hand',
      ],
      details: {server},
      cause,
    })
  }
}
