import {z} from 'zod'

import {globalAccount} from '../conf/accounts.js'
import type {Monitoring} from '../nats/system.js'
import type {TableChange, TableView} from './driver.js'

const leavesSchema = z.object({account_detail: z.object({leafnode_connections: z.number().default(0)})})

/**
 * A sentence for sources that are new where leaf nodes are connected: a reload does not announce them there, so that
 * publishers at a leaf get no answer until it connects again.
 */
export async function leafNotes(
  {seen, account}: {readonly seen: Monitoring | undefined; readonly account: string},
  {servers}: TableView,
  change: TableChange,
): Promise<string[]> {
  const present = new Set(servers.flatMap(({live}) => [...(live?.table.keys() ?? [])]))
  const added = change.filter(({source, destinations}) => destinations !== undefined && !present.has(source))
  if (seen === undefined || account === globalAccount || added.length === 0) return []
  const replies = await seen.ask('ACCOUNTZ', {account})
  const leaves = replies.reduce((sum, {data}) => {
    return sum + (leavesSchema.safeParse(data).data?.account_detail.leafnode_connections ?? 0)
  }, 0)
  if (leaves === 0) return []
  const names = added.map(({source}) => `'${source}'`).join(', ')
  return [`Leaf nodes that are connected now hear of ${names} only when they connect again.`]
}
