import {once} from 'node:events'
import {connect, createServer} from 'node:net'

import {z} from 'zod'

/** The first thing a nats-server says to whoever connects. */
const infoSchema = z.object({
  server_id: z.string(),
  server_name: z.string(),
  version: z.string(),
  jetstream: z.boolean().default(false),
})

export interface ServerInfo {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly jetstream: boolean
}

/** What listens on a port of the loopback address. */
export type PortUse =
  {readonly kind: 'free'} | {readonly kind: 'nats'; readonly info: ServerInfo} | {readonly kind: 'other'}

const patienceMs = 1000

/** Looks who listens on a loopback port, without saying anything to it. */
export async function probePort(port: number): Promise<PortUse> {
  const greeting = await readGreeting(port)
  if (greeting === undefined) return (await canListen(port)) ? {kind: 'free'} : {kind: 'other'}
  const info = parseGreeting(greeting)
  return info === undefined ? {kind: 'other'} : {kind: 'nats', info}
}

/** The first line that comes; empty when nothing is said in time, undefined when nobody listens. */
function readGreeting(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({host: '127.0.0.1', port})
    let [text, connected] = ['', false]
    const finish = (value: string | undefined): void => {
      socket.destroy()
      resolve(value)
    }
    socket.setEncoding('utf8').setTimeout(patienceMs, () => finish(connected ? text : undefined))
    socket.once('connect', () => (connected = true))
    socket.on('data', (piece: string) => {
      text += piece
      if (text.includes('\n') || text.length > 65_536) finish(text)
    })
    socket.once('end', () => finish(text))
    socket.once('error', () => finish(connected ? text : undefined))
  })
}

function parseGreeting(text: string): ServerInfo | undefined {
  const match = /^INFO (\{.*\})\s/.exec(text)
  try {
    const {server_id: id, server_name: name, ...rest} = infoSchema.parse(JSON.parse(match?.[1] ?? ''))
    return {id, name, ...rest}
  } catch {
    return undefined
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
