import {expect, test} from 'vitest'

import {readBucketInfo} from '../../../src/lib/cache/bucket-info.js'
import {initBuckets} from '../../../src/lib/cache/init.js'
import {Lattice} from '../../../src/lib/lattice.js'
import {bytes} from '../../support/cache-lattice.js'
import {clusterOf, startTopology} from '../../support/topology.js'
import {until} from '../../support/until.js'

test('buckets move to the servers with the tags and get as many copies as are asked for', async () => {
  const disks = (name: string): string => `server_tags: ["${name === 'east-2' ? 'disk:slow' : 'disk:fast'}"]`
  await using world = await startTopology(await clusterOf('east', 3, disks))
  await using lattice = await Lattice.open(world.server('east-0').spec('shop'))
  const cache = await lattice.cache()
  const servers = async (): Promise<string[]> => {
    const info = await readBucketInfo(cache.jetStream(), 'LATTICEDATA_shop')
    if (info?.followers.some(({current}) => !current)) return []
    return [info?.leader ?? '', ...(info?.followers ?? []).map(({name}) => name)].sort()
  }
  await initBuckets(cache, {placementTags: ['disk:slow']})
  expect(await servers()).toEqual(['east-2'])
  await cache.put('key', 'owner', bytes('"shop"'))

  await expect(initBuckets(cache, {replicas: 3, update: true})).rejects.toMatchObject({
    kind: 'server',
    suggestions: expect.arrayContaining(['--replicas 1']) as string[],
  })

  const both = {placementTags: ['disk:fast'], replicas: 2, update: true}
  await expect(initBuckets(cache, both)).rejects.toMatchObject({kind: 'usage'})
  const moved = await initBuckets(cache, {placementTags: ['disk:fast'], update: true})
  expect(moved.buckets[0]?.changes).toEqual([{setting: 'placementTags', before: ['disk:slow'], after: ['disk:fast']}])
  await until(async () => ['east-0', 'east-1'].includes((await servers()).join()), 20_000)
  const twice = (): Promise<boolean> =>
    initBuckets(cache, {replicas: 2, update: true}).then(
      () => true,
      // As long as it moves.
      (error: unknown) => {
        expect(error).toMatchObject({kind: 'server'})
        return false
      },
    )
  await until(twice, 20_000)
  await until(async () => (await servers()).join() === 'east-0,east-1', 20_000)
  expect(await cache.get('key', 'owner')).toMatchObject({value: 'shop'})
})

test('a bucket that a write makes has as many copies as the records of its lattice', async () => {
  await using world = await startTopology(await clusterOf('east', 3))
  await using lattice = await Lattice.open(world.server('east-0').spec('shop'))
  const cache = await lattice.cache()
  await initBuckets(cache, {replicas: 3})
  const target = await cache.ensure('CONFIGDATA_shop')
  expect(await target.exists()).toBe(true)
  expect((await readBucketInfo(cache.jetStream(), 'CONFIGDATA_shop'))?.replicas).toBe(3)
})
