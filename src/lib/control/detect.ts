import type {Msg, NatsConnection} from '@nats-io/transport-node'

import {LatticeError} from '../errors.js'
import {parseReply, requestMany} from '../nats/request.js'
import type {HostPing} from './dialect.js'
import {controlSubjects} from './subjects.js'
import {parsePing as parseV0Ping} from './v0.js'
import {parsePing as parseV1Ping, pingSubject} from './v1.js'

/** Hosts answer a ping at once; so long after the latest answer, the others are taken for absent. */
export const stallMs = 300

export interface DetectOptions {
  /** How many v0 hosts will answer, where that is known: the wait ends with the last of them. */
  readonly expect?: number | undefined
}

/** Whom to ask, and for how long at most. */
interface DetectTarget {
  readonly lattice: string
  readonly timeoutMs: number
  /** Both are asked when undefined. */
  readonly dialect?: 'v0' | 'v1' | undefined
}

/** The hosts of a lattice that answer, of one dialect or of both, sorted by id; an answer that makes no sense is left out. */
export async function detectHosts(
  nc: NatsConnection,
  {lattice, timeoutMs, dialect, expect}: DetectOptions & DetectTarget,
): Promise<HostPing[]> {
  const gather = {timeoutMs, stallMs}
  const [v0, v1] = await Promise.all([
    dialect === 'v1'
      ? []
      : requestMany(nc, controlSubjects(lattice).ping, '', {...gather, ...(expect === undefined ? {} : {expect})}),
    dialect === 'v0' ? [] : requestMany(nc, pingSubject(lattice), '', gather),
  ])
  const found = [...v0.flatMap((msg) => readPing(msg, parseV0Ping)), ...v1.flatMap((msg) => readPing(msg, parseV1Ping))]
  const byId = new Map(found.map((host) => [host.id, host.lattice === '' ? {...host, lattice} : host]))
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function readPing(msg: Msg, parsePing: (value: unknown) => HostPing): HostPing[] {
  try {
    return [parsePing(parseReply(msg.string(), msg.subject))]
  } catch (error) {
    if (error instanceof LatticeError) return []
    throw error
  }
}
