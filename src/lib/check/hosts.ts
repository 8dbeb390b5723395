import type {NatsConnection} from '@nats-io/transport-node'

import {detectHosts} from '../control/detect.js'
import {controlSubjects} from '../control/subjects.js'
import {pingSubject} from '../control/v1.js'
import type {ConnectSpec} from '../nats/spec.js'
import type {Answer, Found} from './report.js'
import {countOf} from './text.js'
import type {Wanted} from './wanted.js'

export interface HostsQuestion {
  readonly nc: NatsConnection
  readonly spec: ConnectSpec
  readonly wanted: Wanted
  readonly mayPublish: (subject: string) => boolean
}

/** Counts the hosts that answer. That none does is no fault of the connection, but often of the lattice's name. */
export async function checkHosts({nc, spec, wanted, mayPublish}: HostsQuestion): Promise<Found> {
  const {lattice, dialect, timeoutMs} = spec
  if (wanted.control === 'none' && wanted.calls === 'none' && wanted.routes === 'none') {
    return {answers: [{check: 'hosts', state: 'notNeeded', detail: 'nothing that is wanted uses them'}]}
  }
  const asked = [
    ...(dialect === 'v1' ? [] : [controlSubjects(lattice).ping]),
    ...(dialect === 'v0' ? [] : [pingSubject(lattice)]),
  ]
  if (!asked.some(mayPublish)) {
    return {answers: [{check: 'hosts', state: 'unknown', detail: 'the user may not ask them'}]}
  }
  // Half of the time, because a ping that nobody may answer looks like one that nobody hears.
  const hosts = await detectHosts(nc, {lattice, dialect, timeoutMs: timeoutMs / 2})
  return {
    answers: [
      judge(
        hosts.map((host) => host.dialect),
        lattice,
      ),
    ],
    facts: {hosts: hosts.length},
  }
}

function judge(dialects: readonly ('v0' | 'v1')[], lattice: string): Answer {
  if (dialects.length === 0) {
    return {
      check: 'hosts',
      state: 'warning',
      detail: `none answers in lattice '${lattice}'`,
      fix: ['--lattice NAME, if it is not the right one', 'lattice host run'],
    }
  }
  const kinds = (['v0', 'v1'] as const)
    .map((kind) => [kind, dialects.filter((dialect) => dialect === kind).length] as const)
    .filter(([, count]) => count > 0)
  const detail = `${countOf(dialects.length, 'host')} ${dialects.length === 1 ? 'answers' : 'answer'} in lattice '${lattice}'`
  return {
    check: 'hosts',
    state: 'ok',
    detail: `${detail}: ${kinds.map(([kind, count]) => `${count} ${kind}`).join(', ')}`,
  }
}
