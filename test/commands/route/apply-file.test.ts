import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'

import RouteApply from '../../../src/commands/route/apply.js'
import RouteLs from '../../../src/commands/route/ls.js'
import {SystemClient} from '../../../src/lib/nats/system.js'
import {startRouteServer, type RouteLattice, type RouteServer} from '../../support/route-lattice.js'
import {measure} from '../../support/routes.js'
import {serveSubjects} from '../../support/services.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let routes: RouteServer
let folder: TempFolder
beforeAll(async () => {
  routes = await startRouteServer()
  folder = await tempFolder()
})
afterAll(async () => {
  await routes[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

let count = 0
let area: string
/** The account is one for all tests, and so are its subjects. */
beforeEach(() => {
  area = `area${++count}`
})

async function write(text: string): Promise<string> {
  const file = join(folder.path, `routes-${++count}.yaml`)
  await writeFile(file, text)
  return file
}

/** How often a token was pushed while the work was done. */
async function countPushes(work: () => Promise<void>): Promise<number> {
  await using system = await SystemClient.open(routes.server.spec())
  let pushes = 0
  system.connection.subscribe('$SYS.REQ.>', {
    callback: (_error, {subject}) => {
      if (subject.endsWith('CLAIMS.UPDATE')) pushes++
    },
  })
  await system.connection.flush()
  await work()
  await system.connection.flush()
  return pushes
}

async function legs({run}: RouteLattice): Promise<Record<string, readonly unknown[]>> {
  const {routes: listed} = (await run(RouteLs, '--json')).json() as {
    routes: readonly {entity: string; recorded: {legs: readonly {version: string; weight: number}[]}}[]
  }
  return Object.fromEntries(
    listed.map(({entity, recorded}) => [entity, recorded.legs.map(({version, weight}) => `${version} ${weight}`)]),
  )
}

test('routes of a file become live in one token, and a second time nothing is to be done', async () => {
  await using lattice = await routes.lattice()
  serveSubjects(lattice.connection, [`${area}.orders.v1`, `${area}.orders.v2`, `${area}.stock`, `${area}.stock.v2`])
  await lattice.connection.flush()
  const file = await write(`
routes:
  - entity: echo
    legs: {1.0.0: 70, 2.0.0: 30}
    reason: a try
  - source: ${area}.orders
    legs:
      1.10: {weight: 90, address: ${area}.orders.v1}
      1.1: {weight: 10, address: ${area}.orders.v2}
  - source: ${area}.stock
    legs:
      1.0.0: {weight: 60, address: "@source"}
      2.0.0: {weight: 40, address: ${area}.stock.v2}
`)
  const pushes = await countPushes(async () => {
    const {exitCode, json} = await lattice.run(RouteApply, '-f', file, '--json')
    expect(exitCode).toBe(0)
    expect(json()).toMatchObject({
      changed: true,
      dryRun: false,
      routes: [
        {entity: 'echo', state: 'live', servers: {applied: 1, total: 1}},
        {entity: `${area}.orders`, state: 'live'},
        {entity: `${area}.stock`, state: 'live'},
      ],
    })
  })
  expect(pushes).toBe(1)
  expect(await legs(lattice)).toEqual({
    echo: ['1.0.0 70', '2.0.0 30'],
    [`${area}.orders`]: ['1.1 10', '1.10 90'],
    [`${area}.stock`]: ['1.0.0 60', '2.0.0 40'],
  })
  expect(Object.keys(await measure(lattice.connection, `${area}.orders`, 200)).sort()).toEqual([
    `${area}.orders.v1`,
    `${area}.orders.v2`,
  ])

  const repeated = await countPushes(async () => {
    const again = await lattice.run(RouteApply, '-f', file, '--json')
    expect(again.exitCode).toBe(0)
    expect(again.json()).toMatchObject({changed: false, routes: [{changed: false}, {changed: false}, {changed: false}]})
  })
  expect(repeated).toBe(0)
})

async function refused(lattice: RouteLattice, text: string): Promise<{exitCode: number; message: string}> {
  const {exitCode, json} = await lattice.run(RouteApply, '-f', await write(text), '--json')
  return {exitCode, message: (json() as {error: {message: string}}).error.message}
}

test('all routes of a file are changed, or none', async () => {
  await using lattice = await routes.lattice()
  serveSubjects(lattice.connection, [`${area}.v1`, `${area}.v2`])
  await lattice.connection.flush()
  const pushes = await countPushes(async () => {
    const nobody = `
routes:
  - {entity: echo, legs: {1.0.0: 70, 2.0.0: 30}}
  - {source: ${area}.get, legs: {1.0.0: {weight: 50, address: ${area}.v1}, 2.0.0: {weight: 50, address: ${area}.v3}}}
`
    expect(await refused(lattice, nobody)).toMatchObject({
      exitCode: 9,
      message: expect.stringContaining(`${area}.v3`) as string,
    })
    const overlapping = `
routes:
  - {source: "${area}.*", legs: {1.0.0: {weight: 50, address: to.${area}.v1.$1}, 2.0.0: {weight: 50, address: to.${area}.v2.$1}}}
  - {source: ${area}.get, legs: {1.0.0: {weight: 50, address: ${area}.v1}, 2.0.0: {weight: 50, address: ${area}.v2}}}
`
    expect(await refused(lattice, overlapping)).toMatchObject({
      exitCode: 9,
      message: expect.stringContaining('overlap') as string,
    })
    const twice = `
routes:
  - {entity: echo, legs: {1.0.0: 70, 2.0.0: 30}}
  - {entity: ${lattice.key}, legs: {1.0.0: 30, 2.0.0: 70}}
`
    expect(await refused(lattice, twice)).toEqual({
      exitCode: 2,
      message: "The file asks for the route of 'echo' twice.",
    })
    const none = '{"routes":[{"entity":"echo","legs":{}}]}'
    expect(await refused(lattice, none)).toMatchObject({exitCode: 2})
  })
  expect(pushes).toBe(0)
  expect(await legs(lattice)).toEqual({})
})

test('a file can clear routes, and route callers of a cluster otherwise', async () => {
  await using lattice = await routes.lattice()
  serveSubjects(lattice.connection, [`${area}.get`, `${area}.v1`, `${area}.v2`])
  await lattice.connection.flush()
  const split = `
routes:
  - {entity: echo, legs: {1.0.0: 100}}
  - source: ${area}.get
    legs: {1.0.0: {weight: 100, address: ${area}.v1}, 2.0.0: {weight: 0, address: ${area}.v2}}
    clusters: {west: {2.0.0: 100}}
`
  const file = await write(split)
  const applied = await lattice.run(RouteApply, '-f', file, '--json')
  expect(applied.exitCode).toBe(0)
  expect(applied.json()).toMatchObject({
    routes: [
      {entity: 'echo'},
      {
        legs: [
          {version: '1.0.0', weight: 100},
          {version: '2.0.0', weight: 100, cluster: 'west'},
        ],
      },
    ],
  })
  const cleared = await write(`{routes: [{entity: echo, clear: true}, {source: ${area}.get, clear: true}]}`)
  const {exitCode, json} = await lattice.run(RouteApply, '-f', cleared, '--json')
  expect([exitCode, json()]).toMatchObject([
    0,
    {
      routes: [
        {strategy: 'clear', legs: []},
        {strategy: 'clear', legs: []},
      ],
    },
  ])
  expect(await legs(lattice)).toEqual({})
  expect((await lattice.run(RouteApply, '-f', cleared, '--json')).json()).toMatchObject({changed: false})
})

test('a dry run shows all routes of a file and changes nothing', async () => {
  await using lattice = await routes.lattice()
  const file = await write('routes: [{entity: echo, legs: {1.0.0: 70, 2.0.0: 30}}]')
  for (const flags of [['--dry-run'], ['--driver', 'print']]) {
    expect((await lattice.run(RouteApply, '-f', file, '--json', ...flags)).json()).toMatchObject({
      changed: true,
      dryRun: true,
      routes: [{dryRun: true}],
    })
  }
  expect(await legs(lattice)).toEqual({})
})

test.each([
  [[], 'Either a plan or --file'],
  [['plan.json', '-f', 'routes.yaml'], 'Either a plan or --file'],
  [['-f', '/nowhere/routes.yaml'], '/nowhere/routes.yaml'],
])('apply %j is refused with a sentence', async (argv, sentence) => {
  await using lattice = await routes.lattice()
  const {exitCode, stderr} = await lattice.run(RouteApply, ...argv)
  expect(exitCode).toBe(2)
  expect(stderr).toContain(sentence)
})
