import type {Socket} from 'node:net'

import {connect} from '@nats-io/transport-node'
import {describe, expect, test} from 'vitest'

import {jetStream} from '../../../src/lib/cache/jetstream.js'
import {readStream} from '../../../src/lib/cache/read-stream.js'
import {startFakeServer} from '../../support/fake-server.js'

interface Script {
  /** How far the leader is, and what is the last message that it still has. */
  readonly leader: {readonly lastRevision: number; readonly lastMessage: number}
  /** How many messages the server that reads knows when it is asked for the nth time, counted from 0. */
  readonly known: (nth: number) => number
}

type Answer = (operation: string, body: string) => {readonly reply: object; readonly messages?: Messages}

/** What goes to the inbox of a consumer. */
interface Messages {
  readonly inbox: string
  readonly count: number
}

/** What a server says; a client could not send the messages of a consumer in its place. */
function speak(socket: Socket, answer: Answer): void {
  const subscriptions: {subject: string; sid: string}[] = []
  const send = (inbox: string, {subject, reply, text}: {subject: string; reply: string; text: string}): void => {
    const {sid} = subscriptions.find((each) => inbox.startsWith(each.subject.replace(/\*$/, '')))!
    socket.write(`MSG ${subject} ${sid} ${reply}${text.length}\r\n${text}\r\n`)
  }
  socket.write('INFO {"server_id":"NFAKE","version":"2.15.2","proto":1,"headers":true,"max_payload":1048576}\r\n')
  let rest = ''
  socket.on('data', (bytes: Buffer) => {
    rest += bytes.toString('latin1')
    for (;;) {
      const whole = /^(?:PUB (\S+) (\S+) (\d+)|(?:SUB (\S+) (\S+)|PING|[A-Z]+[^\r]*))\r\n/.exec(rest)
      if (whole === null) return
      const [line, subject, reply = '', size, subscribed, sid = ''] = whole
      if (subject === undefined) {
        if (subscribed !== undefined) subscriptions.push({subject: subscribed, sid})
        if (line.startsWith('PING')) socket.write('PONG\r\n')
        rest = rest.slice(line.length)
        continue
      }
      const end = line.length + Number(size)
      if (rest.length < end + 2) return
      const said = answer(subject.replace('$JS.API.', ''), rest.slice(line.length, end))
      rest = rest.slice(end + 2)
      send(reply, {subject: reply, reply: '', text: JSON.stringify(said.reply)})
      const {inbox = '', count = 0} = said.messages ?? {}
      for (let nth = 1; nth <= count; nth++) {
        const place = `$JS.ACK.KV_B.c.1.${nth}.${nth}.1700000000000000000.${count - nth} `
        send(inbox, {subject: `$KV.B.k${nth}`, reply: place, text: 'x'})
      }
    }
  })
}

/** A bucket whose leader and whose reading server differ: what was read, and how often a consumer was made. */
async function read({leader, known}: Script, timeoutMs = 5000): Promise<{keys: string[]; consumers: number}> {
  let consumers = 0
  const answer: Answer = (operation, body) => {
    if (operation.startsWith('STREAM.INFO')) {
      return {reply: {created: 'then', state: {last_seq: leader.lastRevision}}}
    }
    if (operation.startsWith('STREAM.MSG.GET')) {
      const missing = {error: {code: 404, err_code: 10037, description: 'no message found'}}
      return {reply: leader.lastMessage === 0 ? missing : {message: {subject: '$KV.B.k', seq: leader.lastMessage}}}
    }
    if (!operation.startsWith('CONSUMER.CREATE')) return {reply: {success: true}}
    const count = known(consumers++)
    const {config} = JSON.parse(body) as {config: {deliver_subject: string}}
    return {reply: {num_pending: count}, messages: {inbox: config.deliver_subject, count}}
  }
  await using server = await startFakeServer((socket) => speak(socket, answer))
  const nc = await connect({servers: server.url})
  try {
    const keys: string[] = []
    await readStream(jetStream(nc, {timeoutMs}), 'B', {take: ({key}) => void keys.push(key)})
    return {keys, consumers}
  } finally {
    await nc.close()
  }
}

describe('a server that is behind the leader of a bucket', () => {
  test('is read again until it has what the leader had', async () => {
    const {keys, consumers} = await read({
      leader: {lastRevision: 5, lastMessage: 5},
      known: (nth) => [0, 2, 4, 5][nth] ?? 5,
    })
    expect(keys).toEqual(['k1', 'k2', 'k3', 'k4', 'k5'])
    expect(consumers).toBe(4)
  })

  test('is named when it stays behind', async () => {
    const script = {leader: {lastRevision: 3, lastMessage: 3}, known: () => 2}
    await expect(read(script, 400)).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('are still behind its leader') as string,
      details: {revision: 2, lastRevision: 3, waitedMs: 400},
    })
  })

  test.each([
    [
      'the last messages are gone',
      {leader: {lastRevision: 9, lastMessage: 3}, known: (): number => 3},
      ['k1', 'k2', 'k3'],
    ],
    ['all messages are gone', {leader: {lastRevision: 9, lastMessage: 0}, known: (): number => 0}, []],
    ['more was written since', {leader: {lastRevision: 2, lastMessage: 7}, known: (): number => 2}, ['k1', 'k2']],
  ] as const)('is not what it is when %s', async (_what, script, expected) => {
    const {keys, consumers} = await read(script)
    expect(keys).toEqual(expected)
    expect(consumers).toBe(1)
  })
})
