import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'

import RouteAb from '../../../src/commands/route/ab.js'
import RouteApply from '../../../src/commands/route/apply.js'
import RouteBluegreen from '../../../src/commands/route/bluegreen.js'
import RoutePlan from '../../../src/commands/route/plan.js'
import RouteShow from '../../../src/commands/route/show.js'
import {openConnection} from '../../../src/lib/nats/connect.js'
import {mapElsewhere} from '../../support/jwt-driver.js'
import {startRouteServer, type RouteLattice, type RouteServer} from '../../support/route-lattice.js'
import {behind, runService, serveSubjects} from '../../support/services.js'
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

interface Plan {
  allow: string[]
  lattice: string
  routes: {
    after: string
    before: string
    revision: number
    entity: string
    kind: string
    key: string
    legs: {version: string; weight: number}[]
    previous: unknown
    mappings: {source: string; destinations: {subject: string; weight: number}[]}[]
    addresses?: Record<string, string>
  }[]
}

let count = 0
const newFile = (): string => join(folder.path, `plan-${++count}.json`)

/** A plan, made without the operator's key. */
async function plan({runWith}: RouteLattice, ...argv: string[]): Promise<{file: string; plan: Plan; text: string}> {
  const file = newFile()
  const env = {LATTICE_OPERATOR_SEED_FILE: undefined}
  const {exitCode, stderr} = await runWith(env, RoutePlan, ...argv, '-o', file, '--json')
  expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, ''])
  const text = await readFile(file, 'utf8')
  return {file, plan: JSON.parse(text) as Plan, text}
}

async function legs({run}: RouteLattice, ...names: string[]): Promise<unknown> {
  const {recorded} = (await run(RouteShow, ...names, '--json')).json() as {recorded: {legs: unknown} | null}
  return recorded?.legs ?? null
}

async function apply(
  {run}: RouteLattice,
  file: string,
  ...argv: string[]
): Promise<{exitCode: number; json: Record<string, unknown>; message: string}> {
  const {exitCode, json} = await run(RouteApply, file, '--json', ...argv)
  const document = json() as {error?: {message: string}}
  return {exitCode, json: document, message: document.error?.message ?? ''}
}

test('a plan needs no operator key, holds nothing foreign, and is applied exactly once', async () => {
  await using lattice = await routes.lattice()
  await mapElsewhere(routes.server, {foreign: 'secret.subject'})
  const {file, text} = await plan(lattice, '70/30', '--reason', 'a try')
  expect(text).not.toMatch(/eyJ|secret\.subject|"who"|"user|\b[UAS][A-Z2-7]{55}/)
  expect(await legs(lattice, 'echo')).toBeNull()
  const applied = await apply(lattice, file)
  expect(applied).toMatchObject({exitCode: 0, json: {changed: true, routes: [{state: 'live'}]}})
  expect((await lattice.run(RouteShow, 'echo', '--json')).json()).toMatchObject({
    recorded: {why: 'a try', strategy: 'apply', legs: [{weight: 70}, {weight: 30}]},
  })
  const again = await apply(lattice, file)
  expect(again).toMatchObject({exitCode: 0, json: {changed: false, routes: [{changed: false}]}})
})

test('a plan of what is there already is empty, and applying it changes nothing', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  const {file, plan: made} = await plan(lattice, '70/30')
  expect(made.routes).toEqual([])
  expect(await apply(lattice, file)).toMatchObject({exitCode: 0, json: {changed: false, routes: []}})
})

test('a plan says with an exit code that something would change', async () => {
  await using lattice = await routes.lattice()
  expect((await lattice.run(RoutePlan, '70/30', '--exit-code')).exitCode).toBe(20)
  await lattice.run(RouteAb, '70/30')
  expect((await lattice.run(RoutePlan, '70/30', '--exit-code')).exitCode).toBe(0)
})

test('a plan is refused when the record moved, also when the route is the same again', async () => {
  await using lattice = await routes.lattice()
  const {file} = await plan(lattice, '70/30')
  await lattice.run(RouteAb, '50/50')
  expect(await apply(lattice, file)).toMatchObject({
    exitCode: 5,
    message: expect.stringContaining('revision 2') as string,
  })
  const next = await plan(lattice, '70/30')
  await lattice.run(RouteAb, '60/40')
  await lattice.run(RouteAb, '50/50')
  expect(await apply(lattice, next.file)).toMatchObject({exitCode: 5})
  expect(await legs(lattice, 'echo')).toMatchObject([{weight: 50}, {weight: 50}])
})

test('a plan is refused when somebody else changed the mapping', async () => {
  await using lattice = await routes.lattice()
  await lattice.run(RouteAb, '70/30')
  const {file} = await plan(lattice, '60/40')
  await mapElsewhere(routes.server, {[lattice.source]: 'somewhere.else'})
  expect(await apply(lattice, file)).toMatchObject({
    exitCode: 5,
    message: expect.stringContaining('another mapping is live') as string,
  })
})

test('a plan is refused in another lattice, and when its entity is gone', async () => {
  await using lattice = await routes.lattice()
  await using other = await routes.lattice()
  const {file} = await plan(lattice, '70/30')
  expect(await apply(other, file)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining(lattice.name) as string,
  })
  const gone = await plan(lattice, '70/30')
  const text = gone.text.replaceAll(lattice.name, other.name)
  await writeFile(gone.file, text)
  expect((await apply(other, gone.file)).exitCode).not.toBe(0)
  expect(await legs(other, 'echo')).toBeNull()
})

test('a plan of several routes is applied whole or not at all', async () => {
  await using lattice = await routes.lattice()
  const area = `plan${++count}`
  serveSubjects(lattice.connection, [`${area}.v1`, `${area}.v2`])
  await lattice.connection.flush()
  const manifest = join(folder.path, `${area}.yaml`)
  await writeFile(
    manifest,
    `routes:
  - {entity: echo, legs: {1.0.0: 70, 2.0.0: 30}}
  - {source: ${area}, legs: {1.0.0: {weight: 50, address: ${area}.v1}, 2.0.0: {weight: 50, address: ${area}.v2}}}
`,
  )
  const {file, plan: made} = await plan(lattice, '-f', manifest)
  expect(made.routes).toHaveLength(2)
  await lattice.run(RouteBluegreen, 'echo', '--to', '1.0.0')
  expect(await apply(lattice, file)).toMatchObject({exitCode: 5})
  expect((await lattice.run(RouteShow, '--source', area)).exitCode).not.toBe(0)
  const next = await plan(lattice, '-f', manifest)
  expect(await apply(lattice, next.file)).toMatchObject({exitCode: 0, json: {changed: true}})
  expect(await apply(lattice, next.file)).toMatchObject({exitCode: 0, json: {changed: false}})
})

const forged: readonly (readonly [string, (made: Plan) => void])[] = [
  ['other weights', ({routes: [route]}) => Object.assign(route!.legs[0]!, {weight: 30})],
  [
    'other weights throughout',
    ({routes: [route]}) => {
      for (const list of [route!.legs, route!.mappings[0]!.destinations]) list.reverse()
      route!.legs[0]!.weight = 1
      route!.legs[1]!.weight = 99
    },
  ],
  [
    'mappings that it does not make',
    ({routes: [route]}) => Object.assign(route!.mappings[0]!.destinations[0]!, {subject: 'evil'}),
  ],
  ['a protected source', ({routes: [route]}) => Object.assign(route!.mappings[0]!, {source: '$JS.API.>'})],
  ['another entity', ({routes: [route]}) => Object.assign(route!, {key: 'M'.padEnd(56, 'A')})],
  ['another name', ({routes: [route]}) => Object.assign(route!, {entity: 'payments'})],
  ['another past', ({routes: [route]}) => Object.assign(route!, {previous: [{version: '9.0.0', weight: 100}]})],
  [
    'a source of its own',
    ({routes: [route]}) =>
      Object.assign(route!, {kind: 'subject', key: '$SYS.>', addresses: {'1.0.0': 'a', '2.0.0': 'b'}}),
  ],
  ['another revision', ({routes: [route]}) => Object.assign(route!, {revision: 7})],
  ['an allowance', (made) => void made.allow.push('no-subscriber')],
  ['an unknown allowance', (made) => void made.allow.push('everything')],
  ['another digest before', ({routes: [route]}) => Object.assign(route!, {before: `sha256:${'0'.repeat(64)}`})],
  ['no legs', ({routes: [route]}) => Object.assign(route!, {legs: []})],
  ['a leg in a cluster', ({routes: [route]}) => Object.assign(route!.legs[0]!, {cluster: 'x'})],
  ['a dropped leg', ({routes: [route]}) => Object.assign(route!.legs[0]!, {sink: true})],
  ['a route twice', (made) => void made.routes.push(made.routes[0]!)],
]

test.each(forged)('a plan with %s is refused and changes nothing', async (_, change) => {
  await using lattice = await routes.lattice()
  const {file, plan: made} = await plan(lattice, '70/30')
  change(made)
  await writeFile(file, JSON.stringify(made))
  const {exitCode, message} = await apply(lattice, file)
  expect([2, 4, 5, 9]).toContain(exitCode)
  expect(message).toMatch(/^[A-Z"].*\.$/)
  expect(await legs(lattice, 'echo')).toBeNull()
})

test('rules that a plan was made without are switched off again by whoever applies it', async () => {
  await using lattice = await routes.lattice()
  const area = `plan${++count}`
  const split = ['--source', area, '--leg', `1.0.0=${area}.v1`, '--leg', `2.0.0=${area}.v2`]
  const allow = ['--allow', 'no-subscriber']
  const {file} = await plan(lattice, '50/50', ...split, '--versions', '1.0.0,2.0.0', ...allow)
  expect(await apply(lattice, file)).toMatchObject({
    exitCode: 9,
    json: {error: {suggestions: [`lattice route apply ${file} --allow no-subscriber`]}},
  })
  expect(await apply(lattice, file, ...allow)).toMatchObject({exitCode: 0, json: {changed: true}})
})

test.each([[[]], [['70/30', '--to', '2.0.0']]])('plan %j is refused with a sentence', async (argv) => {
  await using lattice = await routes.lattice()
  const {exitCode, stderr} = await lattice.run(RoutePlan, ...argv)
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('A plan is made of legs, of --file or of --to')])
})

test('a plan for a service is refused when one of its versions is gone', async () => {
  await using lattice = await routes.lattice()
  const name = `plan${++count}`
  const stopping = await openConnection(routes.server.spec(lattice.name))
  for (const [nc, major] of [
    [lattice.connection, 1],
    [stopping, 2],
  ] as const) {
    const metadata = {lattice: lattice.name}
    await runService(nc, {name, version: `${major}.0.0`, metadata, endpoints: {get: behind(`${name}.get`, major)}})
  }
  const {file, plan: made} = await plan(lattice, `${name}@1.0.0=70`, `${name}@2.0.0=30`)
  expect(made.routes).toMatchObject([{kind: 'service', key: name}])
  const whole = await lattice.run(RouteApply, file, '--dry-run', '--json')
  expect([whole.exitCode, whole.json()]).toMatchObject([0, {dryRun: true, changed: true}])
  await stopping.close()
  const {exitCode, message} = await apply(lattice, file)
  expect([exitCode, message]).toEqual([expect.toBeOneOf([4, 5, 9]), expect.stringContaining('2.0.0')])
  expect((await lattice.run(RouteShow, name, '--json')).json()).toMatchObject({state: 'none'})
})
