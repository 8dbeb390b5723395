import {readFile} from 'node:fs/promises'

import {connect, credsAuthenticator} from '@nats-io/transport-node'
import {expect, test} from 'vitest'

import {ensureBucket} from '../../../src/lib/cache/bucket.js'
import {LatticeError} from '../../../src/lib/errors.js'
import {startOperatorCluster} from '../../support/nats-server.js'
import {until} from '../../support/until.js'

test('a bucket without a majority of its servers says so instead of "no JetStream"', async () => {
  await using cluster = await startOperatorCluster(3)
  const [first, second, third] = cluster.servers
  const authenticator = credsAuthenticator(await readFile(first!.credsFile))
  const nc = await connect({servers: first!.url, authenticator})
  const value = new TextEncoder().encode('1')
  try {
    const bucket = await ensureBucket(nc, 'Q', {timeoutMs: 500}, {replicas: 3})
    await bucket.put('k', value, {expected: 0})
    await Promise.all([second!.kill(), third!.kill()])
    const kinds = new Set<string>()
    await until(async () => {
      const failure: unknown = await bucket.put('k', value).catch((error: unknown) => error)
      kinds.add(failure instanceof LatticeError ? failure.kind : typeof failure)
      return kinds.has('server')
    }, 40_000)
    expect([...kinds].filter((kind) => kind !== 'timeout' && kind !== 'number')).toEqual(['server'])
    await expect(bucket.get('k')).rejects.toMatchObject({kind: 'server'})
  } finally {
    await nc.close()
  }
})
