import {z} from 'zod'

import type {Monitoring} from '../nats/system.js'
import type {MappingFile} from './config-file.js'
import {matchServers} from './config-servers.js'

const digestSchema = z.object({config_digest: z.string().default('')})

/**
 * A sentence for each server (2.11 and later) that does not run its files as they are now: a reload of ours would load
 * what somebody else has changed there, too. Servers and files that cannot be paired are for the change to refuse.
 */
export async function pendingEdits(monitoring: Monitoring, files: readonly MappingFile[]): Promise<string[]> {
  const known = files.filter(({digest}) => digest !== undefined)
  if (known.length === 0) return []
  const replies = await monitoring.ask('VARZ')
  const digests = new Map(
    replies.map(({server, data}) => [server.id, digestSchema.safeParse(data).data?.config_digest ?? '']),
  )
  const found = await matchServers(monitoring, files).catch(() => [])
  return found.flatMap(({server, file}) => {
    const [running, written] = [digests.get(server.id) ?? '', file?.digest]
    if (written === undefined || running === '' || running === written) return []
    return [
      `Server '${server.name}' does not run '${file!.main}' as it is now: reloading it also loads whatever else was changed there.`,
    ]
  })
}
