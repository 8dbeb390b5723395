import {randomUUID} from 'node:crypto'

import type {NatsConnection} from '@nats-io/transport-node'

import {controlSubjects} from '../control/subjects.js'
import {formatEvent} from '../control/v0.js'
import type {Report} from './report.js'

/** Publishes what happens on one host as CloudEvents (§3). */
export class EventPublisher {
  readonly #nc: NatsConnection
  readonly #subject: string
  readonly #host: string
  readonly #report: Report

  constructor(nc: NatsConnection, {lattice, host, report}: {lattice: string; host: string; report: Report}) {
    this.#nc = nc
    this.#subject = controlSubjects(lattice).events
    this.#host = host
    this.#report = report
  }

  /** Tells the lattice and whoever runs the host; without a connection the client keeps it for later. */
  publish(name: string, data: Readonly<Record<string, unknown>>): void {
    const full = {host_id: this.#host, ...data}
    this.#send(name, full)
    this.#report({kind: 'event', name, data: full})
  }

  /** Tells the lattice that the host is there. */
  heartbeat(data: Readonly<Record<string, unknown>>): void {
    this.#send('host_heartbeat', data)
  }

  #send(name: string, data: Readonly<Record<string, unknown>>): void {
    if (this.#nc.isClosed()) return
    const event = {id: randomUUID(), name, source: this.#host, time: new Date().toISOString(), data}
    this.#nc.publish(this.#subject, JSON.stringify(formatEvent(event)))
  }
}
