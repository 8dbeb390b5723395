import {z} from 'zod'

import {ConflictError, ConnectionError, UsageError} from '../errors.js'
import type {Monitoring, ServerIdentity} from '../nats/system.js'
import type {MappingFile} from './config-file.js'

/** A server with the file that it runs on; without one where its file is on another machine. */
export interface FiledServer {
  readonly server: ServerIdentity
  readonly file: MappingFile | undefined
}

const varzSchema = z.object({port: z.number().optional()})

/**
 * Finds each server's file: by server name, else by the port where clients connect, else it is the only one. Throws a
 * ConnectionError for a file of which no server answers, and a ConflictError where two servers seem to run on one.
 */
export async function matchServers(monitoring: Monitoring, files: readonly MappingFile[]): Promise<FiledServer[]> {
  const replies = await monitoring.ask('VARZ')
  const servers = replies.map(({server, data}) => ({server, port: varzSchema.safeParse(data).data?.port}))
  const found = servers.map(({server, port}) => ({server, file: fileOf({server, port}, files, servers.length)}))
  for (const file of files) {
    const mine = found.filter((entry) => entry.file === file)
    if (mine.length === 0)
      throw new NoServerOfFileError(
        file,
        servers.map(({server}) => server.name),
      )
    if (mine.length > 1)
      throw new SharedFileError(
        file,
        mine.map(({server}) => server.name),
      )
  }
  return found.sort((a, b) => (a.server.name < b.server.name ? -1 : 1))
}

function fileOf(
  {server, port}: {readonly server: ServerIdentity; readonly port: number | undefined},
  files: readonly MappingFile[],
  servers: number,
): MappingFile | undefined {
  const named = files.find(({facts}) => facts.serverName === server.name)
  if (named !== undefined) return named
  const unnamed = files.filter(({facts}) => facts.serverName === undefined)
  if (servers === 1 && unnamed.length === 1 && files.length === 1) return unnamed[0]
  const there = unnamed.filter(({facts}) => port !== undefined && facts.listen.port === port)
  return there.length === 1 ? there[0] : undefined
}

class NoServerOfFileError extends ConnectionError {
  constructor({main, facts}: MappingFile, servers: readonly string[]) {
    const who = facts.serverName === undefined ? `on port ${facts.listen.port}` : `named '${facts.serverName}'`
    super(`No server ${who} answers, which is what '${main}' says.`, {
      suggestions: [
        '--config FILE with the file that the server was started with',
        `Start the server, or leave '${main}' out and repair it later: lattice route verify --repair`,
      ],
      details: {file: main, servers},
    })
  }
}

class SharedFileError extends ConflictError {
  constructor({main}: MappingFile, servers: readonly string[]) {
    super(`Which server runs on '${main}' cannot be told: ${servers.map((name) => `'${name}'`).join(', ')}.`, {
      suggestions: ['Give each server a server_name of its own.'],
      details: {file: main, servers},
    })
  }
}

/** Servers whose files are not here would keep the old mappings. */
export class FilesElsewhereError extends UsageError {
  constructor(servers: readonly string[]) {
    super(`The configuration of ${servers.map((name) => `'${name}'`).join(', ')} is not among the given files.`, {
      suggestions: [
        '--config FILE for each server',
        '--render-to DIR, put the files in place, then: lattice route verify',
      ],
      details: {servers},
    })
  }
}
