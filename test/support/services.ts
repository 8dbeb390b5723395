import {Svcm, type Service} from '@nats-io/services'
import type {NatsConnection} from '@nats-io/transport-node'

export interface TestService {
  readonly name: string
  readonly version: string
  readonly metadata?: Record<string, string>
  /** An empty one stands for none; `q` by default. */
  readonly queue?: string
  /** Endpoint name → where it listens. */
  readonly endpoints: Readonly<Record<string, TestEndpoint>>
}

export interface TestEndpoint {
  readonly subject: string
  readonly queue?: string
  readonly source?: string
}

/** A subject for each endpoint: `orders.v2.get` behind `orders.get`. */
export function behind(source: string, major: number): TestEndpoint {
  const [first, ...rest] = source.split('.')
  return {subject: [first, `v${major}`, ...rest].join('.'), source}
}

/** Runs a real micro service that answers `<version> <subject>`; it stops with its connection. */
export async function runService(nc: NatsConnection, {endpoints, ...service}: TestService): Promise<Service> {
  // The library brings a core of its own, whose connections are the same in all but the name.
  const running = await new Svcm(nc as unknown as ConstructorParameters<typeof Svcm>[0]).add(service)
  for (const [name, {subject, queue, source}] of Object.entries(endpoints)) {
    running.addEndpoint(name, {
      subject,
      ...(queue === undefined ? {} : {queue}),
      ...(source === undefined ? {} : {metadata: {'lattice.source': source}}),
      handler: (_error, msg) => msg.respond(`${service.version} ${msg.subject}`),
    })
  }
  await nc.flush()
  return running
}

/** Answers on each subject with the subject, in a queue group of its own. */
export function serveSubjects(nc: NatsConnection, subjects: readonly string[]): void {
  for (const subject of subjects) {
    nc.subscribe(subject, {queue: 'test', callback: (_error, message) => void message.respond(subject)})
  }
}
