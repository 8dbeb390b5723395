import {join} from 'node:path'

import {renderMappings} from '../conf/mappings-text.js'
import {writeFileAtomic} from '../files/write-file.js'
import type {MappingTable} from '../routing/effective.js'
import type {ConfigReading, ConfigTarget} from './config-driver.js'
import {defaultMappingsFile, type MappingFile} from './config-file.js'
import {matchServers} from './config-servers.js'
import {changeMappings, predictFile} from './config-table.js'
import type {TableChange} from './driver.js'

/** Files for other machines, and what each server should serve once they are in place. */
export interface FilesRendered {
  readonly notes: readonly string[]
  readonly rendered: readonly string[]
  readonly wanted: ReadonlyMap<string, MappingTable>
  readonly texts: ReadonlyMap<string, string | undefined>
}

/** Writes the new file of each server to a folder; the base is its file where that is here, else what it serves. */
export async function renderFiles(
  target: ConfigTarget & {readonly render: string},
  {files, view}: ConfigReading,
  change: TableChange,
): Promise<FilesRendered> {
  const servers = await listServers(target, files)
  const rendered: string[] = []
  const wanted = new Map<string, MappingTable>()
  for (const {id, name, file} of servers) {
    const live = view.servers.find(({server}) => server.id === id)?.live?.table
    const next = changeMappings(file?.mappings ?? live ?? new Map(), change)
    const path = join(target.render, `${encodeURIComponent(name)}.conf`)
    await writeFileAtomic(path, renderMappings(next), {mode: 0o644})
    rendered.push(path)
    wanted.set(id, predictFile(next))
  }
  const place = target.mappingsFile ?? defaultMappingsFile
  return {
    notes: [
      ...rendered.map(
        (path, index) =>
          `'${path}' is to be put in place as '${place}' of server '${servers[index]!.name}', and the server reloaded.`,
      ),
      'Nothing is live yet. Then: lattice route verify',
    ],
    rendered,
    wanted,
    texts: new Map(),
  }
}

async function listServers(
  {seen}: ConfigTarget,
  files: readonly MappingFile[],
): Promise<{readonly id: string; readonly name: string; readonly file: MappingFile | undefined}[]> {
  if (seen === undefined) return files.map((file) => ({id: file.main, name: file.facts.serverName ?? 'server', file}))
  return (await matchServers(seen, files)).map(({server: {id, name}, file}) => ({id, name, file}))
}
