import {once} from 'node:events'
import {createServer, type Socket} from 'node:net'

/** A server of an old version, as far as a client notices: it takes connections, and nobody listens to anything. */
export interface OldServer extends AsyncDisposable {
  readonly url: string
}

/** Starts it on a port of the system's choice. */
export async function startOldServer(version: string): Promise<OldServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    const info = {server_id: 'N', server_name: 'old', version, proto: 1, headers: true, max_payload: 1_048_576}
    socket.write(`INFO ${JSON.stringify(info)}\r\n`)
    let text = ''
    const subscriptions = new Map<string, string>()
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        answer(socket, text.slice(0, end), subscriptions)
        text = text.slice(end + 2)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.')
  return {
    url: `nats://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Payloads are lines that are no command, and nothing is said to them. */
function answer(socket: Socket, line: string, subscriptions: Map<string, string>): void {
  const [command, ...words] = line.split(' ')
  if (command === 'PING') socket.write('PONG\r\n')
  if (command === 'SUB') subscriptions.set(words[0]!, words.at(-1))
  if (command !== 'PUB' || words.length < 3) return
  const reply = words[1]!
  for (const [pattern, id] of subscriptions) {
    const wanted = pattern.split('.')
    const matches = reply.split('.').every((token, index) => wanted[index] === token || wanted[index] === '*')
    if (!matches) continue
    socket.write(`HMSG ${reply} ${id} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n`)
    return
  }
}
