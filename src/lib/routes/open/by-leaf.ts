import {access, constants} from 'node:fs/promises'
import {join} from 'node:path'

import {readFacts} from '../../apply/account-state.js'
import type {ServerOutcome, TableChange} from '../../apply/driver.js'
import {NoLeafKeyError, openLeafDriver} from '../../apply/leaf-driver.js'
import {systemClock} from '../../clock.js'
import type {SigningKey} from '../../keys/nkey.js'
import type {HeardLeaf} from '../../leaf/client.js'
import {controlKeyName, leafFolder} from '../../leaf/folder.js'
import {readSeed, userKey} from '../../nats/creds.js'
import {LeafMonitoring} from '../proof/leaf-monitoring.js'
import {OwnMonitoring} from '../proof/own-monitoring.js'
import {probeChange} from '../proof/probe.js'
import type {Reader, RouteDeps, Session, SessionOptions} from '../session.js'
import {openStore, type RouteStore} from '../store/store.js'
import type {Who} from '../who.js'
import {allOrMissing} from './missing.js'
import {needJetStream} from './needs.js'

/** Leaf nodes of ours, which take changes from a user of the account. */
export async function openByLeaf(
  deps: RouteDeps,
  who: Who,
  {repair = false, dryRun = false}: SessionOptions,
): Promise<Session> {
  const {connection, spec, clock = systemClock, access: {leaf: name, state} = {}} = deps
  const {lattice, timeoutMs} = spec
  const [own, , store] = await allOrMissing([leafKey(deps), needJetStream(deps), openStore(connection, spec, state)])
  const findKey = async (leaf: HeardLeaf): Promise<SigningKey | undefined> => own ?? localKey(lattice, leaf)
  const hub = new OwnMonitoring(connection, timeoutMs)
  // Who answers now is not waited for later.
  const counted = hub.servers().catch(() => undefined)
  const probe = (change: TableChange, withinMs: number): Promise<ServerOutcome[]> =>
    probeChange({deps, system: hub}, change, withinMs)
  const known = await lastSeen(store, name)
  const first = own ?? (await localKey(lattice, {name: name ?? 'default'}))
  const trusted = first === undefined ? [] : [first.publicKey]
  const options = {connection, lattice, name, timeoutMs, known, trusted, findKey, clock, probe}
  const [driver] = await Promise.all([openLeafDriver(options, {newest: repair}), counted])
  const {key, leaves, view} = driver
  if (key === undefined && !dryRun) throw new NoLeafKeyError(leaves)
  const system = new LeafMonitoring(connection, leaves, hub)
  const facts = await readFacts({system, clock})
  const sealer = key === undefined ? {} : {sealer: key}
  const accountWide = driver.reach === 'account-wide'
  return {deps, clock, lattice, store, driver, system, account: who.account, facts, who, view, accountWide, ...sealer}
}

/** What the leaf nodes have, for who only looks. */
export async function readByLeaf({
  connection,
  spec,
  access,
  clock = systemClock,
}: RouteDeps): Promise<Pick<Reader, 'view' | 'by' | 'notes'>> {
  const {lattice, timeoutMs} = spec
  const name = access?.leaf
  const {view, notes} = await openLeafDriver({connection, lattice, name, timeoutMs, clock}, {newest: true})
  return {view, by: 'leaf', notes}
}

/** The leaf nodes that had the latest change. */
async function lastSeen(store: RouteStore, name = ''): Promise<readonly string[]> {
  const routes = await store.list({readable: true})
  const changes = routes.flatMap(({record: {driver, when, servers}}) => {
    const leaves = driver === 'leaf' ? servers.filter((server) => server.startsWith(`lattice-leaf-${name}`)) : []
    return leaves.length === 0 ? [] : [{when, leaves}]
  })
  return changes.sort((a, b) => (a.when < b.when ? 1 : -1))[0]?.leaves ?? []
}

/** The key that was given, else the credentials' own. */
async function leafKey({spec, access}: RouteDeps): Promise<SigningKey | undefined> {
  const {timeoutMs, confinedTo} = spec
  if (access?.leafKeyFile === undefined) return userKey(spec)
  return readSeed(access.leafKeyFile, {purpose: 'leaf key file', kind: 'U', confinedTo, timeoutMs})
}

/** Who may read the folder of a leaf node of this machine may change it. */
async function localKey(lattice: string, {name}: Pick<HeardLeaf, 'name'>): Promise<SigningKey | undefined> {
  const file = join(leafFolder({lattice, name}), controlKeyName)
  return (await canRead(file)) ? readSeed(file, {purpose: 'control key', kind: 'U'}) : undefined
}

function canRead(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  )
}
