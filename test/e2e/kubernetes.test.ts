import {execFile} from 'node:child_process'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join, posix} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'

import {expect, test} from 'vitest'
import {parseAllDocuments} from 'yaml'

import RouteCanary from '../../src/commands/route/canary.js'
import {checkFile} from '../../src/lib/apply/config-check.js'
import {readMappingFile} from '../../src/lib/apply/config-file.js'
import {renderConfigMap} from '../../src/lib/apply/config-map.js'
import {formatConfigMapName, parseConfigMapName} from '../../src/lib/routing/config-map-name.js'
import {findNatsServer} from '../../src/lib/server/find.js'
import {cliIn, runToEnd} from '../support/cli.js'
import {startConfigServers} from '../support/config-servers.js'
import {startKubelets} from '../support/kubelets.js'
import {freePort} from '../support/nats-server.js'
import {plainService} from '../support/plain-service.js'
import {configEnv} from '../support/route-env.js'
import {run} from '../support/run.js'
import {tempFolder} from '../support/temp.js'

const guide = await readFile(new URL('../../docs/kubernetes.md', import.meta.url), 'utf8')

interface Operation {
  readonly op: string
  readonly path: string
  readonly value: Readonly<Record<string, unknown>>
}

interface Values {
  readonly config: {readonly merge: Readonly<Record<string, unknown>> & {readonly accounts: Record<string, object>}}
  readonly container: {readonly patch: readonly Operation[]; readonly env: Readonly<Record<string, unknown>>}
  readonly reloader: {readonly enabled: boolean; readonly natsVolumeMountPrefixes: readonly string[]}
  readonly podTemplate: {readonly configChecksumAnnotation: boolean; readonly patch: readonly Operation[]}
}

/** The documents of the block that begins with this comment. */
function block(name: string): unknown[] {
  const text = [...guide.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml]) => yaml!)
  const found = text.find((yaml) => yaml.startsWith(`# ${name}\n`))!
  return parseAllDocuments(found).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as unknown
  })
}

const [values] = block('values.yaml') as [Values]
const [, role] = block('rbac.yaml') as [unknown, {rules: readonly object[]}]
const [job] = block('job.yaml') as [
  {spec: {template: {spec: {containers: [{args: string[]; env: {name: string; value?: string}[]}]}}}},
]

/** What the chart's templates make of the values: sorted JSON, `$include` and `<< >>` replaced. */
function chartConfig({config}: Values, folder: string): string {
  const whole = {
    ...config.merge,
    cluster: {name: 'nats', no_advertise: true, port: 6222, routes: ['nats://nats-0.nats-headless:6222']},
    http_port: 8222,
    jetstream: {max_file_store: '<< 10GB >>', max_memory_store: 0, store_dir: join(folder, 'data')},
    lame_duck_duration: '30s',
    lame_duck_grace_period: '10s',
    pid_file: '/var/run/nats/nats.pid',
    port: 4222,
    server_name: '<< $SERVER_NAME >>',
  }
  return JSON.stringify(sorted(whole), undefined, 2)
    .replace(/".*\$include": "(.*)",?/g, 'include $1;')
    .replace(/"<<\s+(.*?)\s+>>"/g, '$1')
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]))
}

test("the guide's values make a configuration that nats-server takes and that has our file in its account", async () => {
  await using folder = await tempFolder()
  const [main, mappings] = ['nats-config/nats.conf', 'nats-lattice/lattice-mappings.conf'].map((path) =>
    join(folder.path, path),
  ) as [string, string]
  for (const path of [main, mappings]) await mkdir(join(path, '..'))
  const [, first] = /--from-literal=lattice-mappings\.conf='([^']*)'/.exec(guide)!
  await writeFile(main, chartConfig(values, folder.path))
  await writeFile(mappings, first!)
  const env = {SERVER_NAME: 'nats-0', SHOP_PASSWORD: 'one', LATTICE_SYS_PASSWORD: 'two'}
  const checker = join(folder.path, 'check')
  const server = (await findNatsServer())!.path
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  await writeFile(checker, `#!/bin/sh\n${assignments.join(' ')} exec '${server}' "$@"\n`, {mode: 0o755})

  expect(await checkFile(checker, main)).toEqual({ok: true})
  const read = await readMappingFile(main, {account: 'SHOP', mappingsFile: mappings, env})
  expect([read.path, read.mappings.size]).toEqual([mappings, 0])
})

test("the guide's manifests are about one ConfigMap, which pods and reloader mount and the job may patch", async () => {
  const {container, reloader, podTemplate, config} = values
  const [mount] = container.patch as [Operation]
  const [volume] = podTemplate.patch as [Operation]
  const include = (config.merge.accounts['SHOP'] as {$include: string}).$include
  const path = posix.join('/etc/nats-config', include)
  expect(mount).toMatchObject({op: 'add', path: '/volumeMounts/-'})
  expect(`${mount.value['mountPath'] as string}/lattice-mappings.conf`).toBe(path)
  expect(reloader.enabled && reloader.natsVolumeMountPrefixes.some((prefix) => path.startsWith(prefix))).toBe(true)
  expect(podTemplate.configChecksumAnnotation).toBe(false)
  expect(volume).toMatchObject({op: 'add', path: '/spec/volumes/-', value: {name: mount.value['name']}})
  const {args, env} = job.spec.template.spec.containers[0]
  const variables = Object.fromEntries(env.map(({name, value}) => [name, value]))
  const {namespace, name} = parseConfigMapName(variables['LATTICE_CONFIGMAP']!)
  expect([namespace, volume.value['configMap']]).toEqual(['nats', {name}])
  expect(role.rules).toEqual([
    {apiGroups: [''], resources: ['configmaps'], resourceNames: [name], verbs: ['get', 'patch']},
  ])
  // Its words are understood; what is missing is a server.
  await using folder = await tempFolder()
  const nowhere = {NATS_URL: `nats://127.0.0.1:${await freePort()}`, XDG_CONFIG_HOME: folder.path}
  const ended = await run(RouteCanary, args.slice(3), {...variables, LATTICE_SYS_CONTEXT: undefined, ...nowhere})
  expect(ended).toMatchObject({exitCode: 11})
})

test('kubectl reads the manifest as it was meant', async ({skip}) => {
  const found = await promisify(execFile)('kubectl', ['version', '--client']).catch(() => undefined)
  if (found === undefined) return skip('there is no kubectl')
  await using folder = await tempFolder()
  const file = join(folder.path, 'manifest.yaml')
  for (const text of ['mappings {\n  "a\\"b": [\n\n  ]\n}\n', 'grün\u0085\u200b€\u{1f600}', '  \n- a: |\n']) {
    await writeFile(file, renderConfigMap({namespace: 'nats', name: 'true'}, text))
    const words = ['label', '--local', '-f', file, '-o', 'json', 'checked=yes', '--dry-run=client']
    const {stdout} = await promisify(execFile)('kubectl', words, {env: {...process.env, HOME: folder.path}})
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'ConfigMap',
      metadata: {name: 'true', namespace: 'nats', labels: {'app.kubernetes.io/managed-by': 'lattice'}},
      data: {'lattice-mappings.conf': text},
    })
  }
})

test('Ctrl-C ends the wait, says what is live, and leaves a record that verify completes', async () => {
  await using servers = await startConfigServers({size: 2})
  await using kubelets = await startKubelets(servers.servers)
  await using folder = await tempFolder()
  const service = plainService()
  await service.serve(await servers.connect())
  const given = Object.entries(configEnv(servers)).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  )
  const cli = await cliIn(folder.path, {
    ...(Object.fromEntries(given) as Record<string, string>),
    LATTICE_SERVER_CONFIG: '',
    LATTICE_STATE: `file:${folder.path}/routes.json`,
    LATTICE_CONFIGMAP: formatConfigMapName(parseConfigMapName(kubelets.configMap)),
    LATTICE_APPLY_WITH: kubelets.applyWith,
  })
  kubelets.behave([{afterMs: 0}, {}])
  const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

  const ended = await runToEnd(process.execPath, [bin, 'route', 'ab', '70/30', ...service.words, '--json'], cli.env, {
    onStart: (child) => {
      let told = ''
      child.stderr!.on('data', (chunk: Buffer) => {
        told += chunk.toString()
        if (/^1\/2 servers/m.test(told)) child.kill('SIGINT')
      })
    },
  })

  expect(ended.exitCode).toBe(130)
  expect(ended.json()).toMatchObject({
    error: {
      kind: 'interrupted',
      message: `The wait was stopped: the route of '${service.source}' is live on 1 of 2 servers, and may still become live on the others.`,
      details: {
        state: 'interrupted',
        servers: [
          {name: 'S0', outcome: 'applied'},
          {name: 'S1', outcome: 'differs'},
        ],
      },
    },
  })
  expect((await cli.run('route', 'verify')).exitCode).toBe(8)
  kubelets.behave([{afterMs: 0}, {afterMs: 0}])
  expect(await cli.ok('route', 'verify', '--wait', '10s')).toMatchObject({live: true, routes: [{state: 'current'}]})
})
