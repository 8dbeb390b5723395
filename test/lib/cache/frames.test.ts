import {connect, headers, type Msg, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

import {Frames, type Frame} from '../../../src/lib/cache/frames.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'

let server: TestServer
let nc: NatsConnection

beforeAll(async () => {
  server = await startNatsServer()
  nc = await connect({servers: server.url})
})

afterAll(async () => {
  await nc.close()
  await server[Symbol.asyncDispose]()
})

/** The same connection as one of another release of the client, which takes no bytes. */
function byInterface(): NatsConnection {
  return new Proxy(nc, {
    get: (target, name) => {
      if (name === 'protocol') return undefined
      const field = Reflect.get(target, name) as unknown
      return typeof field === 'function' ? (field as (...all: unknown[]) => unknown).bind(target) : field
    },
  })
}

const head = Buffer.from('NATS/1.0\r\nName: what it is\r\n\r\n')
const sizes = [0, 1, 200, 65_000, 66_000, 5, 300_000, 64_900, 3]

function frames(prefix: string): Frame[] {
  return Array.from({length: 600}, (_, index) => ({
    subject: `${prefix}.${index}`,
    reply: `_INBOX.ü.${index}`,
    head,
    value: Buffer.alloc(sizes[index % 60] ?? 200, String(index % 10)),
  }))
}

async function arrivals(prefix: string, publish: () => void): Promise<Msg[]> {
  const all: Msg[] = []
  const subscription = nc.subscribe(`${prefix}.>`, {callback: (_error, msg) => void all.push(msg)})
  publish()
  await Promise.resolve()
  await nc.flush()
  subscription.unsubscribe()
  return all
}

describe('frames', () => {
  test.each([
    ['laid out', () => nc],
    ['left to the client', byInterface],
  ])('%s carry every message, in order', async (how, connection) => {
    const prefix = how.replaceAll(' ', '-')
    const sent = frames(prefix)
    const writer = new Frames(connection())
    const came = await arrivals(prefix, () => {
      for (const frame of sent) writer.publish(frame)
    })
    expect(came).toHaveLength(sent.length)
    for (const [index, msg] of came.entries()) {
      const {subject, reply, value} = sent[index]!
      expect([msg.subject, msg.reply, msg.headers?.get('Name')]).toEqual([subject, reply, 'what it is'])
      expect(Buffer.compare(msg.data, value)).toBe(0)
    }
  })

  test('go out by the task in which they were published', async () => {
    const writer = new Frames(nc)
    for (let round = 0; round < 3; round++) {
      const came = await arrivals(`round.${round}`, () => {
        writer.publish({subject: `round.${round}.x`, reply: 'r', head, value: Buffer.from('x')})
      })
      expect(came).toHaveLength(1)
    }
  })

  test('are refused as the client refuses them', () => {
    const writer = new Frames(nc)
    const value = Buffer.alloc(nc.info!.max_payload)
    const refusalOf = (publish: () => void): unknown => {
      try {
        publish()
        return undefined
      } catch (error) {
        return (error as Error).message
      }
    }
    for (const [subject, content] of [
      ['a b', Buffer.alloc(1)],
      ['a\r\nPUB b 0', Buffer.alloc(1)],
      ['', Buffer.alloc(1)],
      ['large', value],
    ] as const) {
      const refused = refusalOf(() => writer.publish({subject, reply: 'r', head, value: content}))
      const own = Object.assign(headers(), {encode: () => head})
      expect(refused).toBe(refusalOf(() => nc.publish(subject, content, {reply: 'r', headers: own})))
      expect(refused).toBeDefined()
    }
  })

  test('are not taken by a closed connection', async () => {
    const closed = await connect({servers: server.url})
    const writer = new Frames(closed)
    await closed.close()
    expect(() => writer.publish({subject: 'a', reply: 'r', head, value: Buffer.alloc(1)})).toThrow('closed')
  })
})
