import {z} from 'zod'

import {openConnection} from '../../src/lib/nats/connect.js'
import type {ConnectSpec} from '../../src/lib/nats/spec.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import {until} from './until.js'

const metaSchema = z.object({meta_cluster: z.object({leader: z.string().optional()})})
const streamSchema = z.object({
  cluster: z.object({
    leader: z.string().optional(),
    replicas: z.array(z.object({current: z.boolean()})),
  }),
})

/**
 * Makes one server lead JetStream and all streams of the account, and waits until the others have all that it has: what
 * leads nothing is missed by nobody. Needs a server of 2.11 or later.
 */
export async function leadAll(spec: ConnectSpec, server: string, streams: readonly string[]): Promise<void> {
  const nc = await openConnection(spec)
  try {
    await using system = await SystemClient.open({...spec, timeoutMs: 1000})
    const preferred = JSON.stringify({placement: {preferred: server}})
    const leads = async (stream: string): Promise<boolean> => {
      const reply = await nc.request(`$JS.API.STREAM.INFO.${stream}`, '', {timeout: 1000})
      const cluster = streamSchema.safeParse(reply.json()).data?.cluster
      if (cluster?.leader === server) return cluster.replicas.every(({current}) => current)
      if (cluster?.leader) await nc.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, preferred, {timeout: 1000})
      return false
    }
    const leadsMeta = async (): Promise<boolean> => {
      const [reply] = await system.ask('JSZ', {leader_only: true}, {expect: 1})
      if (metaSchema.safeParse(reply?.data).data?.meta_cluster.leader === server) return true
      await system.connection.request('$JS.API.META.LEADER.STEPDOWN', preferred, {timeout: 1000})
      return false
    }
    // Whoever is asked while the leader changes says nothing.
    const attempt = async (): Promise<boolean> =>
      (await leadsMeta()) && (await Promise.all(streams.map(leads))).every(Boolean)
    await until(() => attempt().catch(() => false), 20_000)
  } finally {
    await nc.close()
  }
}
