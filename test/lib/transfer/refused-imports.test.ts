import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, expect, test} from 'vitest'

import {LatticeCache} from '../../../src/lib/cache/cache.js'
import {importRecords, type ImportResult} from '../../../src/lib/transfer/import.js'
import {startNatsServer, type TestServer} from '../../support/nats-server.js'
import {scriptBucket, stored, wrongSequence} from '../../support/scripted-bucket.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let server: TestServer
let nc: NatsConnection
let folder: TempFolder
let count = 0

beforeAll(async () => {
  server = await startNatsServer()
  nc = await connect({servers: server.url})
  folder = await tempFolder()
})

afterAll(async () => {
  await nc.close()
  await folder[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** Imports raw keys, a line each, into a lattice whose bucket a test answers for. */
async function importLines(
  lattice: string,
  lines: readonly (readonly [key: string, value: number])[],
  timeoutMs = 5000,
): Promise<ImportResult> {
  const file = join(folder.path, `${lattice}.jsonl`)
  await writeFile(file, lines.map(([key, value]) => `${JSON.stringify({kind: 'key', key, value})}\n`).join(''))
  const cache = await LatticeCache.open(nc, {lattice, timeoutMs})
  return importRecords(cache, {
    file,
    mode: 'create',
    validate: true,
    dryRun: false,
    atomic: false,
    prune: false,
    allow: ['incomplete'],
    confirmPrune: () => Promise.resolve(false),
    report: () => undefined,
  })
}

const freshLattice = (): {lattice: string; bucket: string} => {
  const lattice = `r${count++}`
  return {lattice, bucket: `LATTICEDATA_${lattice}`}
}

test('a record that is refused while nothing stands there is sent until it is taken, and is no conflict', async () => {
  const {lattice, bucket} = freshLattice()
  const requests = await scriptBucket(nc, bucket, {
    onWrite: (nth) => (nth < 8 ? wrongSequence(0) : stored(1)),
    present: () => undefined,
  })
  expect(await importLines(lattice, [['k', 1]])).toMatchObject({created: 1, kept: 0})
  expect(requests.filter(({type}) => type === 'write')).toHaveLength(9)
})

test('a record that is refused for ever while nothing stands there stops the import, and is no conflict', async () => {
  const {lattice, bucket} = freshLattice()
  await scriptBucket(nc, bucket, {onWrite: () => wrongSequence(0), present: () => undefined})
  await expect(importLines(lattice, [['k', 1]], 300)).rejects.toMatchObject({
    kind: 'server',
    message: expect.stringContaining("refuses the write of 'k' though nothing stands there") as string,
  })
})

test('a record that was stored and refused when it was sent again was created', async () => {
  const {lattice, bucket} = freshLattice()
  await scriptBucket(nc, bucket, {onWrite: () => wrongSequence(1), present: () => ({revision: 1, value: '1'})})
  expect(await importLines(lattice, [['k', 1]])).toMatchObject({created: 1, unchanged: 0})
})

test('a later line with the same key goes over an earlier one whose acknowledgement was lost', async () => {
  const {lattice, bucket} = freshLattice()
  const requests = await scriptBucket(nc, bucket, {
    onWrite: (nth) => (nth < 2 ? wrongSequence(1) : stored(2)),
    present: () => ({revision: 1, value: '1'}),
  })
  const lines = [
    ['k', 1],
    ['k', 2],
  ] as const
  expect(await importLines(lattice, lines)).toMatchObject({replaced: 1, leftOut: 1})
  expect(requests.at(-1)).toMatchObject({type: 'write', expected: '1'})
})
