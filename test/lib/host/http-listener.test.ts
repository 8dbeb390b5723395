import {Agent, get} from 'node:http'
import {connect} from 'node:net'
import {once} from 'node:events'

import {expect, test} from 'vitest'

import {HttpListener} from '../../../src/lib/host/http-listener.js'

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
  const listener = await HttpListener.open(
    {host: '127.0.0.1', port: 0},
    {
      maxBody: () => 1000,
      handle: (_request, _body, response) => {
        response.end('here')
        return Promise.resolve()
      },
    },
  )
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

test('silent connections do not keep a port that is freed from ending', async () => {
  const listener = await HttpListener.open(
    {host: '127.0.0.1', port: 0},
    {maxBody: () => 1000, handle: () => Promise.resolve()},
  )
  const socket = connect({host: '127.0.0.1', port: Number(listener.address.split(':')[1])})
  await once(socket, 'connect')
  const ended = once(socket, 'close')
  const before = performance.now()
  await listener.close()
  expect(performance.now() - before).toBeLessThan(4000)
  await ended
})
