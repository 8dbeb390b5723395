import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {afterAll, beforeAll, expect, test} from 'vitest'
import {z} from 'zod'

import {openConnection} from '../../src/lib/nats/connect.js'
import {echoModule, startStory, type Story} from '../support/story.js'

// Typed by hand, so that a key that is renamed or removed fails here. A key that is added is added here too.

const text = z.string().min(1)
const count = z.int().min(0)
const time = z.iso.datetime()
const yes = z.boolean()
const version = text
const labels = z.record(z.string(), z.string())
const actorKey = z.string().regex(/^M[A-Z2-7]{55}$/)
const hostId = z.string().regex(/^N[A-Z2-7]{55}$/)
const legs = z.array(z.strictObject({version, weight: z.int().min(1).max(100)}))
const destinations = z.array(z.strictObject({subject: text, weight: count}))
const who = z.strictObject({user: text, account: text, host: text, claimed: labels.optional()})

const start = z.strictObject({
  entity: text,
  key: actorKey,
  version,
  host: hostId,
  ref: text,
  count,
  dark: yes,
  lattice: text,
  context: text,
  changed: yes,
  dryRun: yes,
})
const startedNow = start.extend({undo: text})
const scale = z.strictObject({
  entity: text,
  key: actorKey,
  lattice: text,
  context: text,
  undo: z.array(text).min(1),
  changes: z.array(z.strictObject({version, host: hostId, from: count, to: count})),
  changed: yes,
  dryRun: yes,
})
const call = z.strictObject({
  entity: text,
  key: actorKey,
  version: version.optional(),
  operation: text,
  result: z.unknown(),
})
const entity = z.strictObject({
  kind: z.enum(['actor', 'provider']),
  key: text,
  name: text,
  callAlias: text.optional(),
  link: text.optional(),
  contract: text.optional(),
  instances: z.array(z.strictObject({version, host: hostId, count, dark: yes, imageRef: text})),
})
const entities = z.strictObject({lattice: text, entities: z.array(entity), silent: z.array(text)})
const hosts = z.strictObject({
  lattice: text,
  hosts: z.array(
    z.strictObject({
      id: hostId,
      name: text,
      version: text,
      labels,
      uptimeSeconds: count,
      lattice: text,
      dialect: z.enum(['v0', 'v1']),
      versioned: yes,
    }),
  ),
})
const host = z.strictObject({
  host: z.strictObject({id: hostId, name: text, version: text, labels, uptimeSeconds: count, versioned: yes}),
  actors: z.array(
    z.strictObject({
      key: actorKey,
      name: text,
      instances: z.array(
        z.strictObject({
          version,
          imageRef: text,
          workers: count,
          instanceId: text,
          count,
          dark: yes,
          annotations: labels,
        }),
      ),
    }),
  ),
  providers: z.array(
    z.strictObject({
      key: text,
      link: text,
      contract: text,
      name: text,
      version,
      imageRef: text,
      instanceId: text,
      dark: yes,
      annotations: labels,
      links: z.array(z.strictObject({actor: actorKey, address: text.optional(), error: text.optional()})),
    }),
  ),
})
const routeCommon = {
  entity: text,
  key: actorKey,
  lattice: text,
  context: text,
  strategy: z.enum(['ab', 'bluegreen', 'canary', 'drop', 'fail', 'clear', 'undo']),
  legs,
  previous: legs.nullable(),
  source: text,
  changed: yes,
  driver: z.literal('jwt'),
  servers: z.strictObject({applied: count, stored: count, total: count, names: z.array(text)}),
  inferred: text,
}
const route = z.strictObject({
  ...routeCommon,
  dryRun: z.literal(false),
  state: z.literal('live'),
  pushMs: z.number().min(0),
  liveAt: time,
  revision: count,
  undo: text,
})
const plannedRoute = z.strictObject({
  ...routeCommon,
  dryRun: z.literal(true),
  state: z.literal('planned'),
  revision: count,
  permissions: z.array(text).min(1),
  mappings: z.array(z.strictObject({source: text, destinations})),
  record: z.looseObject({legs}),
})
const faultLegs = z.array(legs.element.extend({sink: z.literal(true).optional()}))
const plannedFault = plannedRoute
  .omit({inferred: true})
  .extend({legs: faultLegs, expiresAt: time, record: z.looseObject({legs: faultLegs, expiresAt: time, restores: legs})})
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const routePlan = z.strictObject({
  format: z.literal('lattice-route-plan/1'),
  lattice: text,
  made: time,
  allow: z.array(text),
  routes: z
    .array(
      z.strictObject({
        entity: text,
        kind: z.enum(['actor', 'provider', 'service', 'subject']),
        key: text,
        legs,
        previous: legs.nullable(),
        mappings: z.array(z.strictObject({source: text, destinations})).min(1),
        revision: count,
        before: digest,
        after: digest,
        permissions: z.array(text).optional(),
        warnings: z.array(text),
        why: text.optional(),
      }),
    )
    .min(1),
})
const plannedRoutes = z.strictObject({lattice: text, changed: yes, plan: routePlan})
const writtenPlan = plannedRoutes.extend({file: text})
const appliedRoute = route.omit({inferred: true}).extend({strategy: z.literal('apply')})
const appliedRoutes = z.strictObject({
  lattice: text,
  changed: yes,
  dryRun: z.literal(false),
  routes: z.array(appliedRoute).length(1),
})
const history = z.strictObject({
  entity: text,
  key: actorKey,
  lattice: text,
  revisions: z
    .array(
      z.strictObject({
        revision: count,
        when: time,
        strategy: text,
        legs,
        before: legs,
        state: z.enum(['applying', 'live']),
        driver: text,
        who,
        why: text.optional(),
        allowances: z.array(text),
        digest,
        durationMs: z.number().optional(),
      }),
    )
    .min(1),
})
const difference = z.strictObject({
  lattice: text,
  differs: yes,
  routes: z.array(
    z.strictObject({
      entity: text,
      key: actorKey,
      state: z.enum(['current', 'interrupted', 'drifted', 'foreign', 'none', 'unknown']),
      differs: yes,
      legs: z.array(z.strictObject({version, recorded: count, live: count})).nullable(),
      foreign: yes,
      servers: z.array(text),
    }),
  ),
})
const verification = z.strictObject({
  lattice: text,
  by: z.enum(['system', 'monitor', 'probe']),
  live: yes,
  routes: z
    .array(
      z.strictObject({
        entity: text,
        kind: z.enum(['actor', 'provider', 'service', 'subject']),
        key: actorKey,
        source: text,
        legs,
        state: z.enum(['current', 'interrupted', 'drifted', 'foreign', 'none', 'unknown']),
        servers: z
          .array(
            z.strictObject({
              server: z.strictObject({name: text, id: text}),
              outcome: z.enum(['applied', 'stored', 'differs', 'refused', 'missing', 'unverified']),
              reason: text.optional(),
            }),
          )
          .min(1),
        live: yes,
      }),
    )
    .length(1),
})
const adopted = route
  .omit({pushMs: true, liveAt: true, undo: true, inferred: true})
  .extend({strategy: z.literal('adopt')})
const level = z.enum(['refuse', 'warn'])
const lint = z.strictObject({
  clean: yes,
  refusals: count,
  warnings: count,
  serverVersion: text,
  checked: z.array(
    z.strictObject({
      input: text,
      form: z.enum(['config', 'jwt', 'claims', 'nsc', 'plan', 'services', 'account']),
      account: text.optional(),
      mappings: count,
      findings: z.array(
        z.strictObject({
          rule: text,
          level,
          sentence: text,
          why: text,
          fix: text,
          source: text.optional(),
          where: text.optional(),
        }),
      ),
      foreign: z.array(z.strictObject({rule: text, level, count})).optional(),
    }),
  ),
})
const rendered = z.strictObject({
  lattice: text,
  format: z.enum(['config', 'jwt', 'nsc', 'yaml', 'json']),
  routes: z
    .array(z.strictObject({entity: text, mappings: z.array(z.strictObject({source: text, destinations})).min(1)}))
    .min(1),
  text,
  notes: z.array(text),
})
const preview = z.array(z.strictObject({version, subjects: z.array(text).min(1), call: text})).length(1)
const reconciliation = z.strictObject({
  lattice: text,
  context: text,
  dryRun: yes,
  routes: z.array(
    z.strictObject({
      entity: text,
      key: actorKey,
      action: z.enum(['restored', 'completed', 'takenBack', 'kept']),
      legs,
      expiresAt: time.optional(),
    }),
  ),
})
const routeView = z.strictObject({
  entity: text,
  key: actorKey,
  lattice: text,
  source: text,
  state: z.enum(['current', 'interrupted', 'drifted', 'foreign', 'none', 'unknown']),
  recorded: z.strictObject({
    legs,
    replaced: legs,
    strategy: text,
    state: z.enum(['applying', 'live']),
    driver: text,
    when: time,
    who,
    why: text,
    revision: count,
  }),
  effective: z.strictObject({
    visible: z.literal(true),
    legs,
    mappings: z.array(z.strictObject({source: text, destinations})),
    agrees: yes,
    servers: z.array(z.strictObject({name: text, state: z.enum(['applied', 'stored', 'differs'])})),
    unseen: z.literal(true).optional(),
  }),
})
const measured = {share: z.number(), interval: z.tuple([z.number(), z.number()])}
const observed = z.strictObject({
  legs: z.array(
    z.strictObject({
      version: version.optional(),
      listeners: count,
      taps: count,
      messages: count,
      ratePerSecond: z.number(),
      ...measured,
      asked: z.number(),
      agrees: yes,
    }),
  ),
  messages: count,
  ratePerSecond: z.number(),
  windowMs: count,
  agrees: yes,
  servers: z.array(text).length(1),
  gaps: z.array(text),
})
const tracedServer = z.strictObject({id: text, name: text, cluster: text.optional()})
const trace = z.strictObject({
  entity: text,
  lattice: text,
  traces: z.array(
    z.strictObject({
      subject: text,
      server: tracedServer,
      probes: count,
      answered: count,
      incomplete: count,
      destinations: z.array(
        z.strictObject({
          subject: text,
          mapped: text.optional(),
          version,
          fate: z.literal('delivered'),
          probes: count,
          ...measured,
          subscribers: z.array(z.strictObject({server: text, client: text, subscription: text, queue: text})).min(1),
        }),
      ),
      path: z
        .array(
          z.strictObject({server: tracedServer, further: count, events: z.array(z.looseObject({type: text})).min(3)}),
        )
        .length(1),
    }),
  ),
})
const blindRouteView = routeView.extend({
  state: z.literal('unknown'),
  effective: z.strictObject({visible: z.literal(false), reason: text}),
})
const record = z.strictObject({
  kind: z.literal('claims'),
  name: text,
  title: text,
  version,
  bucket: text,
  key: text,
  revision: count,
  created: time,
  size: count,
  format: text,
  value: z.record(z.string(), z.unknown()),
})
const up = z.strictObject({
  lattice: text,
  changed: yes,
  url: text,
  port: count,
  context: text,
  sysContext: text,
  selectedContext: text,
  ephemeral: yes,
  server: z.strictObject({pid: count, id: text, version: text, log: text}),
  hosts: z.array(z.strictObject({id: hostId, pid: count})),
  issuer: text,
  folder: text,
  storeFolder: text,
})
const status = z.strictObject({
  lattice: text,
  state: z.enum(['running', 'partial', 'stopped', 'absent']),
  url: text,
  context: text,
  selected: yes,
  ephemeral: yes,
  server: z.strictObject({running: yes, answers: yes, pid: count, id: text, version: text, log: text}),
  hosts: z.array(z.strictObject({id: hostId, running: yes, answers: yes, pid: count, log: text})),
  folder: text,
  storeFolder: text,
  others: z.array(text),
})
const context = z.strictObject({
  name: text,
  selected: yes,
  url: text,
  lattice: text,
  description: text,
  fields: labels,
  latticeFields: labels,
})
const usage = z.strictObject({used: count, limit: count.optional()})
const questions = [
  'server',
  'cluster',
  'rtt',
  'tls',
  'clock',
  'account',
  'user',
  'token',
  'cache',
  'control',
  'calls',
  'routes',
  'jetstream',
  'bucket',
  'hosts',
  'system',
  'operatorKey',
  'clusterSeed',
] as const
const contextCheck = z.strictObject({
  context: text,
  lattice: text,
  complete: yes,
  checks: z.array(
    z.strictObject({
      check: z.enum(questions),
      state: z.enum(['ok', 'missing', 'warning', 'notNeeded', 'unknown']),
      detail: text,
      lacks: z
        .array(
          z.strictObject({
            direction: z.enum(['publish', 'subscribe']),
            subject: text,
            purpose: text,
            reason: z.enum(['notAllowed', 'denied']),
            optional: z.literal(true).optional(),
            denied: text.optional(),
          }),
        )
        .optional(),
      fix: z.array(text).optional(),
    }),
  ),
  server: z.strictObject({
    url: text,
    id: text,
    name: text,
    version: text,
    cluster: text.optional(),
    rttMs: z.number(),
    tls: z.strictObject({protocol: text.optional(), certificateExpires: time.optional()}).optional(),
    clockOffsetMs: z.int().optional(),
  }),
  user: z.strictObject({
    id: text.optional(),
    name: text.optional(),
    account: text.optional(),
    accountName: text.optional(),
    tokenExpires: time.optional(),
    permissionsFrom: z.enum(['server', 'token', 'nobody']),
  }),
  jetstream: z
    .strictObject({
      domain: text.optional(),
      apiLevel: count.optional(),
      storage: usage,
      memory: usage,
      streams: usage,
      consumers: usage,
    })
    .optional(),
  buckets: z.array(
    z.strictObject({
      name: text,
      present: yes,
      messages: count.optional(),
      bytes: count.optional(),
      replicas: count.optional(),
    }),
  ),
  hosts: count.optional(),
  systemServers: z.array(z.strictObject({name: text, id: text, version: text})).optional(),
  operatorKey: text.optional(),
  clusterKey: text.optional(),
  needs: z.array(
    z.strictObject({
      ability: z.enum(['cache', 'control', 'calls', 'routes']),
      level: z.enum(['none', 'read', 'write']),
      publish: z.array(text),
      subscribe: z.array(text),
    }),
  ),
})
const addedContext = z.strictObject({
  context: text,
  state: z.enum(['added', 'replaced', 'unchanged']),
  url: text,
  lattice: text,
  fields: labels,
  latticeFields: labels,
  selected: text,
  changed: yes,
  notes: z.array(text),
  undo: text,
  dryRun: yes,
})
const importedContext = z.strictObject({
  from: text,
  context: text,
  state: z.enum(['added', 'replaced', 'unchanged']),
  url: text,
  lattice: text,
  notes: z.array(text),
})
const skippedContext = z.strictObject({
  from: text,
  context: text,
  state: z.literal('skipped'),
  reason: text,
  notes: z.array(text),
})
const importedContexts = z.strictObject({
  folder: text,
  contexts: z.tuple([skippedContext, importedContext]),
  selected: text,
  changed: yes,
  dryRun: yes,
})
const removedContext = z.strictObject({
  context: text,
  changed: yes,
  selected: text,
  orphans: z.array(text).length(1),
  dryRun: yes,
})
const failure = z.strictObject({
  error: z.strictObject({
    kind: z.enum(['usage', 'ambiguous', 'notFound', 'unsafe']),
    message: text,
    suggestions: z.array(text),
    details: z.record(z.string(), z.unknown()),
  }),
})

const request = '{"method":"GET","path":"/","queryString":"","header":{},"body":""}'
const bucketSetting = z.union([text, z.number(), yes, z.array(text)])
const madeBuckets = z.strictObject({
  lattice: text,
  context: text,
  changed: yes,
  dryRun: z.literal(true).optional(),
  buckets: z
    .array(
      z.strictObject({
        bucket: text,
        state: z.enum(['created', 'updated', 'unchanged']),
        changes: z.array(
          z.strictObject({setting: text, before: bucketSetting.optional(), after: bucketSetting.optional()}),
        ),
        settings: z.strictObject({
          storage: z.enum(['file', 'memory']),
          replicas: count,
          history: count,
          maxBytes: count.optional(),
          description: text.optional(),
          placementTags: z.array(text).optional(),
          atomic: z.literal(true).optional(),
          mirrorOf: text.optional(),
        }),
      }),
    )
    .min(3),
})
const audit = z.strictObject({
  lattice: text,
  context: text,
  clean: yes,
  records: count,
  findings: z
    .array(
      z.strictObject({
        rule: text,
        severity: z.enum(['error', 'warning']),
        message: text,
        bucket: text,
        kind: text.optional(),
        name: text.optional(),
        title: text.optional(),
        key: text.optional(),
        revision: count.optional(),
        repair: z.array(text).min(1),
      }),
    )
    .min(1),
  notChecked: z.array(z.strictObject({rule: text, reason: text})),
})
const migration = z.strictObject({
  lattice: text,
  context: text,
  stream: text,
  bucket: text,
  changed: yes,
  dryRun: z.literal(true).optional(),
  backup: text.optional(),
  streamDeleted: yes,
  messages: z
    .array(
      z.strictObject({
        subject: text,
        outcome: z.enum(['written', 'present', 'kept', 'deleted', 'replaced', 'unreadable']),
        kind: text.optional(),
        name: text.optional(),
        key: text.optional(),
        problem: text.optional(),
      }),
    )
    .min(1),
})

const stored = z.strictObject({revision: count, created: time, format: text, value: z.unknown()})
const written = z.strictObject({
  lattice: text,
  context: text,
  kind: z.literal('key'),
  name: text,
  bucket: text,
  key: text,
  operation: z.enum(['put', 'del']),
  changed: yes,
  allowed: z.array(z.enum(['overwrite', 'no-validate', 'in-use'])),
  revision: count,
  restored: count,
  format: text,
  value: z.unknown(),
  previous: stored,
  undo: text,
})

let story: Story

beforeAll(async () => {
  story = await startStory()
  await story.cli.ok('start', echoModule('1.0.0'))
  await story.serveHttp()
  await story.cli.ok('start', echoModule('2.0.0'), '--dark')
  await story.cli.ok('route', 'ab', '70/30', '--reason', 'a try')
  await story.cli.ok('cache', 'put', 'key', 'unread', '1')
  await makeOldStream()
  const wash = join(story.cli.folder, '.wash', 'contexts')
  await mkdir(wash, {recursive: true})
  await writeFile(join(wash, 'a.json'), '[]')
  await writeFile(join(wash, 'b.json'), '{}')
})

afterAll(async () => {
  await story[Symbol.asyncDispose]()
})

test.each([
  [['start', echoModule('1.0.0')], start],
  [['start', echoModule('1.0.0'), '--count', '11'], startedNow],
  [['scale', 'echo@1.0.0', '--count', '3', '--dry-run'], scale],
  [['scale', 'echo@1.0.0', '--count', '4'], scale],
  [['stop', 'echo@1.0.0', '--allow', 'in-use', '--dry-run'], scale],
  [['call', 'echo', 'HttpServer.HandleRequest', request], call],
  [['call', 'echo@2.0.0', 'HttpServer.HandleRequest', request], call.required()],
  [['entity', 'ls'], entities],
  [['entity', 'inspect', 'echo'], entity],
  [['host', 'ls'], hosts],
  [['host', 'inspect'], host],
  [['route', 'ab', '60/40', '--dry-run'], plannedRoute],
  [['route', 'canary', '--to', '2.0.0', '--weight', '10', '--dry-run'], plannedRoute],
  [['route', 'drop', '5', 'echo', '--for', '1m', '--dry-run'], plannedFault],
  [['route', 'fail', 'echo', '--version', '2.0.0', '--for', '1m', '--dry-run'], plannedFault],
  [['route', 'reconcile'], reconciliation],
  [['route', 'ab', '70/30'], route.omit({pushMs: true, liveAt: true, undo: true})],
  [['route', 'show', 'echo'], routeView],
  [['route', 'show', 'echo', '--window', '100ms'], routeView.extend({observed})],
  [['route', 'trace', 'echo', '--probes', '20'], trace],
  [['route', 'ls'], z.strictObject({lattice: z.string(), routes: z.array(routeView).length(1)})],
  [['route', 'lint'], lint],
  [['route', 'render'], rendered],
  [
    ['route', 'ab', '60/40', '--driver', 'print'],
    plannedRoute.extend({state: z.literal('printed'), driver: z.literal('print'), printed: text}),
  ],
  [['route', 'bluegreen', '--to', '1.0.0'], route.extend({preview})],
  [['route', 'ab', '60/40'], route],
  [['route', 'plan', '55/45'], plannedRoutes],
  [['route', 'history', 'echo'], history],
  [['route', 'diff'], difference],
  [['route', 'verify'], verification],
  [['route', 'adopt', 'echo', '--yes'], adopted],
  [['cache', 'get', 'claims', 'echo@1.0.0'], record],
  [['cache', 'ls', '--kind', 'claims'], z.strictObject({lattice: z.string(), records: z.array(record).min(2)})],
  [['cache', 'init', '--history', '60', '--update', '--allow', 'lose-revisions'], madeBuckets],
  [['cache', 'verify'], audit],
  [['cache', 'migrate', '--dry-run'], migration],
  [['completion', 'bash'], z.strictObject({shell: z.literal('bash'), script: text})],
  [
    ['completion', 'refresh', '--file', 'names-contract', '--key', 'contract'],
    z.strictObject({file: text, names: count, changed: yes}),
  ],
  [['up'], up],
  [['status'], status],
  [['context', 'show'], context],
  [['context', 'add', 'more', '--dry-run'], addedContext],
  [['context', 'import', '--from', 'wash', '--dry-run'], importedContexts],
  [['context', 'rm', 'lattice-default-sys', '--dry-run'], removedContext],
  [
    ['context', 'check'],
    contextCheck.required({operatorKey: true, clusterKey: true, jetstream: true, systemServers: true}),
  ],
  [['context', 'check', '--for', 'cache', '--read-only'], contextCheck],
  [['context', 'ls'], z.strictObject({contexts: z.array(context).length(2)})],
])('%j --json has the keys that scripts know', async (words, shape) => {
  expect(shape.safeParse(await story.cli.ok(...words)).error?.issues).toBeUndefined()
})

test('what is planned, applied by file and verified has the keys that scripts know', async () => {
  const file = join(story.cli.folder, 'plan.json')
  writtenPlan.parse(await story.cli.ok('route', 'plan', '55/45', '--reason', 'a plan', '-o', file))
  appliedRoutes.parse(await story.cli.ok('route', 'apply', file))
  const undone = {lattice: text, changed: z.literal(false), dryRun: z.literal(false), routes: z.array(z.unknown())}
  z.strictObject(undone).parse(await story.cli.ok('route', 'apply', file))
  const manifest = join(story.cli.folder, 'routes.json')
  await writeFile(manifest, '{"routes":[{"entity":"echo","legs":{"1.0.0":60,"2.0.0":40}}]}')
  appliedRoutes.parse(await story.cli.ok('route', 'apply', '-f', manifest))
  await writeFile(manifest, '{"routes":[{"entity":"echo","legs":{"1.0.0":60}}]}')
  const refused = await story.cli.fails(2, 'route', 'apply', '-f', manifest)
  expect(refused.message).toBe('The file is not one of routes at routes.0: The weights 60 sum to 60, not to 100.')
})

test('what moves all records has the keys that scripts know', async () => {
  const kinds = z.array(z.enum(['claims', 'link', 'ref', 'component', 'config', 'route', 'key'])).min(1)
  const place = {lattice: text, context: text}
  const exported = z.strictObject({
    ...place,
    format: z.enum(['jsonl', 'yaml']),
    kinds,
    redacted: yes,
    records: count,
    bytes: count,
    sha256: z.string().length(64),
    buckets: z.array(z.strictObject({bucket: text, created: text, revision: count})).min(1),
  })
  const change = z.strictObject({path: z.array(z.union([text, count])), before: z.unknown(), after: z.unknown()})
  const previewed = z.strictObject({
    operation: z.enum(['create', 'replace', 'keep']),
    line: count,
    kind: z.literal('key'),
    name: text,
    bucket: text,
    key: text,
    revision: count.optional(),
    changes: z.array(change.partial({before: true, after: true})).optional(),
  })
  const surplus = z.strictObject({kind: text, name: text, bucket: text, key: text, revision: count})
  const imported = z.strictObject({
    ...place,
    mode: z.enum(['create', 'replace', 'merge']),
    from: text.optional(),
    dryRun: z.literal(true).optional(),
    records: count,
    created: count,
    replaced: count,
    unchanged: count,
    kept: count,
    leftOut: count,
    leftRoutes: count,
    deleted: count,
    changes: z.array(previewed).min(1).optional(),
    surplus: z.array(surplus).min(1).optional(),
  })
  const unwritten = z.strictObject({line: count, kind: text, key: text, reason: text})
  const file = join(story.cli.folder, 'all.jsonl')
  await story.cli.ok('cache', 'put', 'key', 'moved', '1')
  expect(exported.parse(await story.cli.ok('cache', 'export', '--output', file)).records).toBeGreaterThan(1)
  await story.cli.ok('cache', 'put', 'key', 'moved', '2')
  await story.cli.ok('cache', 'put', 'key', 'surplus', '3')
  const dry = ['cache', 'import', file, '--mode', 'replace', '--prune', '--dry-run']
  imported.required({changes: true, surplus: true}).parse(await story.cli.ok(...dry))
  imported.parse(await story.cli.ok('cache', 'import', file, '--mode', 'replace', '--kind', 'key'))
  const bad = join(story.cli.folder, 'bad.jsonl')
  await writeFile(bad, '{"kind":"key","key":"a b","value":1}\n')
  const {details} = await story.cli.fails(8, 'cache', 'import', bad, '--allow', 'incomplete')
  const counts = imported.omit({leftRoutes: true, deleted: true, mode: true, lattice: true, context: true})
  counts.extend({refused: count, conflicts: count, unwritten: z.array(unwritten).length(1)}).parse(details)
})

test('what writes a record has the keys that scripts know', async () => {
  const created = written.omit({allowed: true, restored: true, previous: true})
  const {revision} = created.parse(await story.cli.ok('cache', 'put', 'key', 'written', '1'))
  const overwrite = ['cache', 'put', 'key', 'written', '2', '--allow', 'overwrite', '--no-validate']
  expect(written.omit({restored: true}).parse(await story.cli.ok(...overwrite)).allowed).toHaveLength(2)
  const planned = written.omit({allowed: true, revision: true, undo: true}).extend({dryRun: z.literal(true)})
  planned.parse(await story.cli.ok('cache', 'revert', 'key', 'written', '--to', `${revision}`, '--dry-run'))
  const conflict = await story.cli.fails(5, 'cache', 'put', 'key', 'written', '3', '--revision', `${revision}`)
  const change = z.strictObject({path: z.array(z.union([text, count])), before: z.unknown(), after: z.unknown()})
  z.strictObject({key: text, expected: count, current: count, diff: z.array(change).min(1)}).parse(conflict.details)
  const edit = `EDITOR='sed -i s/2/4/' lattice cache edit key written --json`
  written.omit({allowed: true, restored: true}).parse((await story.cli.paste(edit)).json())
  const gone = written.omit({restored: true, format: true, value: true})
  gone.parse(await story.cli.ok('cache', 'del', 'key', 'written', '--allow', 'in-use'))
  const used = await story.cli.fails(9, 'cache', 'del', 'claims', 'echo@1.0.0')
  const use = z.strictObject({by: z.enum(['instance', 'link', 'ref', 'route', 'component', 'unknown']), text})
  z.strictObject({kind: text, name: text, uses: z.array(use).min(2)}).parse(used.details)
})

test('a route for some time and a canary in steps print a document a line', async () => {
  const held = await story.cli.run('route', 'ab', '50/50', '--for', '50ms', '--json')
  const steps = ['--step', '30,45', '--every', '10ms', '--gate', 'none']
  const stepped = await story.cli.run('route', 'canary', '--to', '2.0.0', ...steps, '--json')

  const restored = route.omit({inferred: true, undo: true}).extend({strategy: z.literal('restore')})
  const step = route.extend({step: count, steps: count, weight: count, event: z.enum(['live', 'done', 'restored'])})
  const heldLines = z.tuple([route.extend({expiresAt: time}), restored])
  const stepLines = z.tuple([
    step.extend({expiresAt: time}),
    step.extend({expiresAt: time}),
    step.omit({pushMs: true, liveAt: true}),
  ])
  const documents = (text: string): unknown[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
  expect(heldLines.safeParse(documents(held.stdout)).error).toBeUndefined()
  expect(stepLines.safeParse(documents(stepped.stdout)).error).toBeUndefined()
})

test('without system credentials a route says that mappings are not visible, with the same keys', async () => {
  const env = `LATTICE_URL=${story.spec.servers[0]!} NATS_URL=x NATS_TOKEN=x LATTICE_CREDS=${credsFile()}`
  const ended = await story.cli.paste(`${env} lattice route show echo --json`)
  const shape = blindRouteView.extend({recorded: routeView.shape.recorded.partial({why: true})})
  expect(shape.safeParse(ended.json()).error?.issues).toBeUndefined()
})

test.each([
  [2, ['route', 'ab', '70/40']],
  [2, ['stop']],
  [2, ['stop', 'echo', '--no-such-flag']],
  [3, ['stop', 'echo']],
  [4, ['stop', 'ecko']],
  [9, ['stop', 'echo@2.0.0']],
])('a failure with exit code %i has the keys that scripts know: %j', async (exitCode, words) => {
  const ended = await story.cli.run(...words, '--json')
  expect(ended.exitCode).toBe(exitCode)
  expect(failure.safeParse(ended.json()).error?.issues).toBeUndefined()
  expect(ended.stderr).toBe('')
})

function credsFile(): string {
  const {credentials} = story.spec
  if (credentials?.kind !== 'creds') throw new Error('The lattice has no creds file.')
  return credentials.file
}

/** One record as hosts up to 0.59 kept it. */
async function makeOldStream(): Promise<void> {
  const nc = await openConnection(story.spec)
  const name = `LATTICECACHE_${story.spec.lattice}`
  const [subjects, subject] = [[`lc.${story.spec.lattice}.>`], `lc.${story.spec.lattice}.linkdefs.1`]
  await nc.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify({name, subjects, storage: 'memory'}))
  await nc.request(subject, JSON.stringify({id: '1', deleted: true}))
  await nc.close()
}
