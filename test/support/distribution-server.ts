import {delimiter, join} from 'node:path'

import {readServerVersion} from '../../src/lib/server/find.js'

/** The nats-server 2.9 that Debian has, where it is installed or LATTICE_OLD_NATS_SERVER names one. */
export async function findOldServer(): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin'].filter(Boolean)
  const named = process.env['LATTICE_OLD_NATS_SERVER']
  for (const path of [...(named ? [named] : []), ...folders.map((folder) => join(folder, 'nats-server'))]) {
    const version = await readServerVersion(path)
    if (version?.startsWith('2.9.')) return path
  }
  return undefined
}
