// A process of its own that edits one record which others edit too: `node contender.ts URL LATTICE NAME EDITS WAY`. It
// reads, adds one to the total and to its own count, writes by compare-and-set, and begins anew when it is told that
// somebody was faster. It waits for a line on stdin to begin, and prints what it did as one JSON line.
import {once} from 'node:events'
import {stdin} from 'node:process'

import {headers} from '@nats-io/transport-node'

import {RevisionConflictError} from '../../src/lib/cache/bucket-errors.js'
import {Lattice} from '../../src/lib/lattice.js'
import {contendedKey, type Contended, type ContenderReport, type ContenderWay} from './contenders.js'

const [url = '', name = '', me = '', edits = '', way = ''] = process.argv.slice(2)
await using lattice = await Lattice.open({
  servers: [url],
  lattice: name,
  protected: false,
  timeoutMs: 10_000,
  connectTimeoutMs: 10_000,
})
const cache = await lattice.cache()

interface Read {
  readonly value: Contended
  readonly revision: number
}

const encode = (value: Contended): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

/** As a command does it; false when it is told that the record changed. */
const ours = {
  read: async (): Promise<Read> => {
    const {value, revision} = await cache.get('key', contendedKey)
    return {value: value as Contended, revision}
  },
  write: async (value: Contended, revision: number): Promise<boolean> => {
    try {
      await cache.put('key', contendedKey, encode(value), {revision})
      return true
    } catch (error) {
      if (error instanceof RevisionConflictError) return false
      throw error
    }
  },
}

/** The least with which it can be done: a read from the leader and a write with the revision as a header. */
const stream = `KV_LATTICEDATA_${name}`
const subject = `$KV.LATTICEDATA_${name}.${contendedKey}`
const bare = {
  read: async (): Promise<Read> => {
    const reply = await lattice.connection.request(`$JS.API.STREAM.MSG.GET.${stream}`, `{"last_by_subj":"${subject}"}`)
    const {message} = reply.json<{message: {data: string; seq: number}}>()
    return {value: JSON.parse(Buffer.from(message.data, 'base64').toString()) as Contended, revision: message.seq}
  },
  write: async (value: Contended, revision: number): Promise<boolean> => {
    const head = headers()
    head.set('Nats-Expected-Last-Subject-Sequence', String(revision))
    const reply = await lattice.connection.request(subject, encode(value), {headers: head, timeout: 10_000})
    const {error} = reply.json<{error?: {err_code: number; description: string}}>()
    if (error === undefined) return true
    if (error.err_code === 10071) return false
    throw new Error(error.description)
  },
}

const {read, write} = {ours, bare}[way as ContenderWay]
process.stdout.write('ready\n')
await once(stdin, 'data')
const started = performance.now()
let [won, told] = [0, 0]
while (won < Number(edits)) {
  const {value, revision} = await read()
  const next = {total: value.total + 1, by: {...value.by, [me]: (value.by[me] ?? 0) + 1}}
  if (await write(next, revision)) won++
  else told++
}
const report: ContenderReport = {name: me, won, told, tookMs: performance.now() - started}
process.stdout.write(`${JSON.stringify(report)}\n`)
stdin.destroy()
