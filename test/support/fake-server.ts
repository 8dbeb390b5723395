import {once} from 'node:events'
import {createServer, type AddressInfo, type Socket} from 'node:net'

/** Something that listens on a port of the loopback address; it ends with all its connections. */
export interface FakeServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Connections that it has taken. */
  readonly taken: () => number
}

/** Listens and does with each connection what a test says, such as nothing at all. */
export async function startFakeServer(serve: (socket: Socket) => void = () => undefined): Promise<FakeServer> {
  const sockets = new Set<Socket>()
  let taken = 0
  const server = createServer((socket) => {
    taken += 1
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket))
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    taken: () => taken,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Says what a nats-server of a version says first, and answers pings, until it reads `muteAfter`: then the cable is cut. */
export function greetAs(version: string, {muteAfter}: {readonly muteAfter?: string} = {}): (socket: Socket) => void {
  const info = {server_id: 'NFAKE', server_name: 'fake', version, proto: 1, headers: true, max_payload: 1 << 20}
  return (socket) => {
    socket.write(`INFO ${JSON.stringify(info)}\r\n`)
    let mute = false
    socket.on('data', (bytes: Buffer) => {
      mute ||= muteAfter !== undefined && bytes.includes(muteAfter)
      if (mute) return
      for (const _ping of bytes.toString('latin1').matchAll(/PING\r\n/g)) socket.write('PONG\r\n')
    })
  }
}
