import {Agent, get} from 'node:http'
import {connect} from 'node:net'
import {once} from 'node:events'

import {expect, test} from 'vitest'

import {HttpListener, type ListenerOptions} from '../../../src/lib/host/http-listener.js'

const options: ListenerOptions = {
  maxBody: () => 1000,
  handle: (_request, _body, response) => {
    response.end('here')
    return Promise.resolve()
  },
}

interface Answer {
  readonly status: number | undefined
  readonly connection: string | undefined
}

function ask(port: number, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get({host: '127.0.0.1', port, agent}, (response) => {
      response.resume().once('end', () => {
        resolve({status: response.statusCode, connection: response.headers.connection})
      })
    })
    request.once('error', reject)
  })
}

test('a request that is on its way on an open connection when the port is freed is answered', async () => {
  const listener = await HttpListener.open({host: '127.0.0.1', port: 0}, options)
  const port = Number(listener.address.split(':')[1])
  const agent = new Agent({keepAlive: true, maxSockets: 1})
  try {
    expect(await ask(port, agent)).toEqual({status: 200, connection: 'keep-alive'})
    const closed = listener.close()
    const late = ask(port, agent)
    const [refused] = (await once(connect({host: '127.0.0.1', port}), 'error')) as [NodeJS.ErrnoException]
    expect(refused.code).toBe('ECONNREFUSED')
    expect(await late).toEqual({status: 200, connection: 'close'})
    await closed
  } finally {
    agent.destroy()
  }
})

test('connections that stay silent end soon after the port is freed', async () => {
  const listener = await HttpListener.open({host: '127.0.0.1', port: 0}, options)
  const agent = new Agent({keepAlive: true, maxSockets: 1})
  try {
    await ask(Number(listener.address.split(':')[1]), agent)
    const before = performance.now()
    await listener.close()
    expect(performance.now() - before).toBeLessThan(3000)
  } finally {
    agent.destroy()
  }
})
