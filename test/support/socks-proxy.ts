import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Socket} from 'node:net'

/** A small SOCKS 5 proxy on a port of the system's choice; it ends with all that goes through it. */
export interface SocksProxy extends AsyncDisposable {
  readonly port: number
  /** Where clients wanted to go, as they said it: `name:port`. */
  readonly asked: readonly string[]
  /** Ends all connections that go through it. */
  readonly cut: () => void
}

export interface SocksProxyOptions {
  /** Who may use it; nobody else then. */
  readonly user?: string
  readonly password?: string
  /** Names that only the proxy resolves. */
  readonly names?: Readonly<Record<string, string>>
  /** Code that answers every request, such as 2 for `not allowed`. */
  readonly reject?: number
}

/** Starts it: `await using proxy = await startSocksProxy({names: {'nats.inside': '127.0.0.1'}})`. */
export async function startSocksProxy(options: SocksProxyOptions = {}): Promise<SocksProxy> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const hold = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket))
    return socket
  }
  const server = createServer((socket) => {
    serve(hold(socket), options, (host, port) => {
      asked.push(`${host}:${port}`)
      return hold(connect(port, options.names?.[host] ?? host))
    }).catch(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    cut,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}

type Dial = (host: string, port: number) => Socket

async function serve(socket: Socket, options: SocksProxyOptions, dial: Dial): Promise<void> {
  const read = reader(socket)
  const {user, password = '', reject} = options
  const [, count] = await read(2)
  const methods = await read(count!)
  const method = user === undefined ? 0 : 2
  if (!methods.includes(method)) return void socket.end(Buffer.from([5, 0xff]))
  socket.write(Buffer.from([5, method]))
  if (method === 2) {
    await read(1)
    const [given, secret] = [await readText(read), await readText(read)]
    const known = given === user && secret === password
    socket.write(Buffer.from([1, known ? 0 : 1]))
    if (!known) return void socket.end()
  }
  const [, , , kind] = await read(4)
  const host = kind === 3 ? await readText(read) : [...(await read(4))].join('.')
  const port = (await read(2)).readUInt16BE()
  const answer = (code: number): void => void socket.write(Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]))
  if (reject !== undefined) {
    answer(reject)
    return
  }
  const far = dial(host, port)
  await once(far, 'connect').catch((error: unknown) => {
    answer((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 5 : 4)
    throw error
  })
  answer(0)
  far.pipe(socket).pipe(far)
  far.once('close', () => socket.destroy())
  socket.once('close', () => far.destroy())
}

type Read = (bytes: number) => Promise<Buffer>

async function readText(read: Read): Promise<string> {
  const [length] = await read(1)
  return (await read(length!)).toString()
}

/** Reads so many bytes, and leaves what follows for the pipe. */
function reader(socket: Socket): Read {
  return async (bytes) => {
    if (bytes === 0) return Buffer.alloc(0)
    for (;;) {
      const chunk = socket.read(bytes) as Buffer | null
      if (chunk !== null) return chunk
      if (socket.destroyed || socket.readableEnded) throw new Error('closed')
      await Promise.race([once(socket, 'readable'), once(socket, 'close')])
    }
  }
}
