import {createHash} from 'node:crypto'

import {holds, type ServerOutcome, type ServerView, type TableChange, type TableView} from '../apply/driver.js'
import {clean} from '../output/text.js'
import {compareTables, predictTable, type MappingTable} from '../routing/effective.js'
import type {ShownAccount} from './account.js'

/** What servers have. */
export interface LiveServers {
  readonly servers: readonly ServerView[]
  /** The mappings of the token that they store; undefined where nobody shows it. */
  readonly stored?: MappingTable | undefined
}

/** What the control plane is set to, as drivers show what they change. */
export function viewOf({mappings}: ShownAccount, live: LiveServers | undefined): TableView {
  const sorted = Object.entries(mappings).sort(([a], [b]) => (a < b ? -1 : 1))
  const digest = `sha256:${createHash('sha256').update(JSON.stringify(sorted)).digest('hex')}`
  return {mappings, servers: live?.servers ?? [], digest, unseen: live === undefined}
}

/** What other sources were set to meanwhile is none of ours, and is told. */
export function othersNote({mappings}: TableView, shown: ShownAccount, change: TableChange): string[] {
  const ours = new Set(change.map(({source}) => source))
  const different = compareTables(predictTable(mappings), predictTable(shown.mappings))
  const others = different.map(({source}) => source).filter((source) => !ours.has(source))
  if (others.length === 0) return []
  const names = others.map((source) => `'${clean(source)}'`).join(', ')
  return [`Mappings that are none of this route changed in the control plane at the same time: ${names}.`]
}

/** How one server stands to a change. */
export function outcomeOf({server, live}: ServerView, {stored}: LiveServers, change: TableChange): ServerOutcome {
  const {name, id} = server
  if (live !== undefined && holds(live.table, change)) return {server: {name, id}, outcome: 'applied'}
  if (live !== undefined) {
    return {server: {name, id}, outcome: 'differs', reason: 'it does not have what the control plane was told'}
  }
  if (stored !== undefined && holds(stored, change)) return {server: {name, id}, outcome: 'stored'}
  return {server: {name, id}, outcome: 'missing', reason: 'it does not know the account'}
}

/** True when both tables have the same for the sources of a change. */
export function sameSources(one: MappingTable, other: MappingTable, change: TableChange): boolean {
  return change.every(({source}) => {
    const only = (table: MappingTable): MappingTable => new Map([...table].filter(([written]) => written === source))
    return compareTables(only(one), only(other)).length === 0
  })
}

/** As the settings had it: there no weight is one of 100. */
export function previousOf(change: TableChange, {mappings}: TableView): TableChange {
  // A subject may be named as what every object has.
  const present = new Map(Object.entries(mappings))
  return change.map(({source}) => ({
    source,
    destinations: present.get(source)?.map(({weight, ...one}) => ({
      ...one,
      weight: weight === undefined || weight === 0 ? 100 : weight,
    })),
  }))
}
