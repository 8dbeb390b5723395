import type {NatsConnection} from '@nats-io/transport-node'

import type {Clock} from '../clock.js'
import {isTooOld, oldestServer} from '../nats/server-version.js'
import type {ConnectSpec} from '../nats/spec.js'
import type {Answer, Facts, Found} from './report.js'
import {momentOf} from './text.js'
import {tlsOf} from './wire.js'

const dayMs = 86_400_000
const certificateSoonMs = 14 * dayMs
/** Tokens that are made here are valid there at once, give or take so much. */
const clockToleranceMs = 5000

export interface ServerQuestion {
  readonly nc: NatsConnection
  readonly spec: ConnectSpec
  readonly clock: Clock
  readonly rttMs: number
  /** Server time minus ours; undefined where the server does not tell its time. */
  readonly clockOffsetMs: number | undefined
}

/** What the connection itself shows: server, cluster, way, protection, time. */
export function checkServer(question: ServerQuestion): Found & {readonly facts: Pick<Facts, 'server'>} {
  const {nc, spec, rttMs, clockOffsetMs} = question
  const {server_id: id = '', server_name: name = '', version = '', cluster} = nc.info ?? {}
  const tls = tlsOf(nc)
  const scheme = tls === undefined ? 'nats' : 'tls'
  // Behind a proxy the client speaks with a relay on this machine.
  const url = spec.socksProxy === undefined ? `${scheme}://${nc.getServer()}` : spec.servers.join(', ')
  return {
    answers: [
      judgeVersion({name, version, url}),
      {check: 'cluster', state: 'ok', detail: cluster === undefined ? 'none, the server stands alone' : `'${cluster}'`},
      {check: 'rtt', state: 'ok', detail: `${rttMs.toFixed(1)} ms`},
      judgeTls(question, tls),
      judgeClock(clockOffsetMs),
    ],
    facts: {
      server: {
        url,
        id,
        name,
        version,
        ...(cluster === undefined ? {} : {cluster}),
        rttMs: Math.round(rttMs * 10) / 10,
        ...(clockOffsetMs === undefined ? {} : {clockOffsetMs}),
        ...(tls === undefined
          ? {}
          : {
              tls: {
                ...(tls.protocol && {protocol: tls.protocol}),
                ...(tls.serverUntil && {certificateExpires: new Date(tls.serverUntil).toISOString()}),
              },
            }),
      },
    },
  }
}

function judgeVersion({name, version, url}: {name: string; version: string; url: string}): Answer {
  const detail = `${name} ${version} at ${url}`
  if (!isTooOld(version)) return {check: 'server', state: 'ok', detail}
  return {
    check: 'server',
    state: 'missing',
    detail: `${detail}, and ${oldestServer} or later is needed`,
    fix: ['Update nats-server.'],
  }
}

function judgeTls({nc, spec, clock}: ServerQuestion, tls: ReturnType<typeof tlsOf>): Answer {
  if (tls === undefined) return judgePlain(nc, spec)
  const now = clock.now()
  const ends = [
    ...(tls.serverUntil === undefined ? [] : [['the certificate of the server', tls.serverUntil] as const]),
    ...(tls.clientUntil === undefined ? [] : [['our certificate', tls.clientUntil] as const]),
  ].map(([what, until]) => ({until, text: `${what} ends ${momentOf(until, now)}`}))
  const detail = [tls.protocol ?? 'encrypted', ...ends.map(({text}) => text)].join(', ')
  const soon = ends.some(({until}) => until - now < certificateSoonMs)
  return soon
    ? {check: 'tls', state: 'warning', detail, fix: ['Renew the certificate.']}
    : {check: 'tls', state: 'ok', detail}
}

function judgePlain(nc: NatsConnection, {credentials}: ConnectSpec): Answer {
  const {hostname} = new URL(`nats://${nc.getServer()}`)
  const near = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/.test(hostname)
  const readable = credentials?.kind === 'user' ? 'password' : credentials?.kind === 'token' ? 'token' : undefined
  if (near || readable === undefined)
    return {check: 'tls', state: 'notNeeded', detail: 'the server takes plain connections'}
  return {
    check: 'tls',
    state: 'warning',
    detail: `the ${readable} crosses the network readable`,
    fix: ['Let the server have TLS, or a user with a creds file or nkey, which never sends its secret.'],
  }
}

function judgeClock(offset: number | undefined): Answer {
  if (offset === undefined) return {check: 'clock', state: 'unknown', detail: 'the server does not tell its time'}
  const off = `${(Math.abs(offset) / 1000).toFixed(1)} s`
  if (Math.abs(offset) <= clockToleranceMs) return {check: 'clock', state: 'ok', detail: `${off} apart`}
  return {
    check: 'clock',
    state: 'warning',
    detail: `ours is ${off} ${offset > 0 ? 'behind' : 'ahead'}, so that tokens count too early or too late`,
    fix: ['Set the clock of this machine.'],
  }
}
