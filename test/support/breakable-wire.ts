import {once} from 'node:events'
import {connect, createServer, type Socket} from 'node:net'

/** A way to a server that ends at a moment which a test chose; until then it passes everything on. */
export interface BreakableWire extends AsyncDisposable {
  readonly url: string
  /**
   * From now on, ends every connection and takes no more as soon as a client sends this text, which the server gets
   * unless `lose` is `request`; no answer to it comes back. `end` is called in between.
   */
  breakAt: (text: string, lose: 'request' | 'answer', end: () => Promise<void>) => void
  /** From now on nothing comes through in either direction, and nobody is told; `release` lets it all arrive late. */
  hold: () => void
  release: () => void
  /** Ends every connection; new ones are taken. */
  cutAll: () => void
  /** True once the text was seen. */
  readonly broken: boolean
}

/** Opens it, on a port chosen by the system: `await using wire = await openWire(server.port)`. */
export async function openWire(port: number, listen = 0): Promise<BreakableWire> {
  const sockets = new Set<Socket>()
  let broken = false
  let held = false
  let watch: ((chunk: Buffer) => 'request' | 'answer' | undefined) | undefined
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let deaf = false
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from
        .once('error', () => to.destroy())
        .once('close', () => {
          sockets.delete(from)
          to.destroy()
        })
    }
    upstream.on('data', (chunk) => deaf || client.write(chunk))
    client.on('data', (chunk) => {
      const lost = watch?.(chunk)
      deaf ||= lost !== undefined
      if (lost !== 'request') upstream.write(chunk)
    })
    if (held) for (const socket of [client, upstream]) socket.pause()
  })
  server.listen(listen, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `nats://127.0.0.1:${(server.address() as {port: number}).port}`,
    breakAt: (text, lose, end) => {
      watch = (chunk) => {
        if (!chunk.includes(text)) return undefined
        watch = undefined
        broken = true
        void end().finally(cut)
        return lose
      }
    },
    hold: () => {
      held = true
      for (const socket of sockets) socket.pause()
    },
    release: () => {
      held = false
      for (const socket of sockets) socket.resume()
    },
    cutAll: () => {
      for (const socket of sockets) socket.destroy()
    },
    get broken() {
      return broken
    },
    [Symbol.asyncDispose]: () => {
      cut()
      return Promise.resolve()
    },
  }
}
