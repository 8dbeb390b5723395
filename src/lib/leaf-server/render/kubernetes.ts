import {renderConfigMap} from '../../apply/config-map.js'
import {renderMappings} from '../../conf/mappings-text.js'
import {UsageError} from '../../errors.js'
import {renderLeafConfig} from '../config.js'
import {plainConfig, secretVariables, urlLines, type RenderPlan} from './plan.js'

export interface KubernetesOptions {
  readonly namespace: string
  /** The Deployment whose pods get the leaf node. */
  readonly deployment: string
  /** The Secret with the credentials. */
  readonly secret: string
  readonly image: string
  readonly reloaderImage: string
}

/** Manifests for a leaf node in each pod of a Deployment, without our agent, with mappings in a ConfigMap of their own. */
export async function renderManifests(plan: RenderPlan, options: KubernetesOptions): Promise<string> {
  if (plan.settings.accountWide) {
    throw new UsageError(
      'A leaf node in each pod would answer every call once for each pod: only one may be account-wide.',
      {
        suggestions: ['Leave --account-wide out.', '--format systemd, on one machine'],
      },
    )
  }
  const {stringify} = await import('yaml')
  const {namespace} = options
  const base = `lattice-leaf-${plan.settings.name.toLowerCase().replaceAll('_', '-')}`
  const config = renderLeafConfig({
    ...plainConfig(plan, {
      creds: `${secretFolder}/user.creds`,
      tls: (name) => `${secretFolder}/${name}.pem`,
      usersInclude: plan.settings.usersFile === undefined ? undefined : '../secret/users.conf',
      mappingsInclude: '../mappings/lattice-mappings.conf',
    }),
    // Servers take two leaf nodes of one name for one that came back.
    name: `$${nameVariable}`,
    pidFile: '/var/run/nats/nats.pid',
    monitorPort,
  })
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {name: base, namespace},
    data: {'leaf.conf': config},
  }
  const mappings = renderConfigMap({namespace, name: `${base}-mappings`}, renderMappings(new Map()))
  const yaml = (document: object): string =>
    stringify(document, {lineWidth: 0, aliasDuplicateObjects: false, blockQuote: 'literal'})
  const documents = [
    `${secretLines(plan, options)}${yaml(configMap)}`,
    `# Made once; changed by: lattice route … --driver config --configmap ${namespace}/${base}-mappings\n${mappings}`,
    `# Adds to the Deployment that is there: kubectl apply --server-side --field-manager ${base} -f FILE\n${yaml(sidecar(plan, options, base))}`,
  ]
  return documents.join('---\n')
}

const secretFolder = '/etc/lattice/secret'
const monitorPort = 8222
const nameVariable = 'LATTICE_LEAF_NAME'

function secretLines(plan: RenderPlan, {secret, namespace}: KubernetesOptions): string {
  const {spec, settings} = plan
  const {tls = {}} = spec
  const kind = spec.credentials?.kind
  const files = [
    ...(kind === 'creds' || kind === 'jwt' ? ['user.creds'] : []),
    ...(['ca', 'cert', 'key'] as const).flatMap((name) => (tls[name] === undefined ? [] : [`${name}.pem`])),
    ...(settings.usersFile === undefined ? [] : ['users.conf']),
    ...secretVariables(plan),
  ]
  if (files.length === 0) return ''
  const words = files.map((name) => `--from-file=${name}=PATH`)
  return [
    `# First: kubectl create secret generic ${secret} --namespace ${namespace} ${words.join(' ')}`,
    ...urlLines(plan),
    '',
  ].join('\n')
}

/** Both start before the pod's own containers and end after them. */
function sidecar(plan: RenderPlan, options: KubernetesOptions, base: string) {
  const {spec, settings} = plan
  const {namespace, deployment, secret, image, reloaderImage} = options
  const mounts = [
    {name: `${base}-config`, mountPath: '/etc/lattice/config', readOnly: true},
    {name: `${base}-mappings`, mountPath: '/etc/lattice/mappings', readOnly: true},
    {name: `${base}-secret`, mountPath: secretFolder, readOnly: true},
    {name: `${base}-pid`, mountPath: '/var/run/nats'},
  ]
  const env = [
    {name: nameVariable, valueFrom: {fieldRef: {fieldPath: 'metadata.name'}}},
    ...secretVariables(plan).map((key) => ({name: key, valueFrom: {secretKeyRef: {name: secret, key}}})),
  ]
  const probe = {exec: {command: ['wget', '-q', '-O', '/dev/null', `http://127.0.0.1:${monitorPort}/healthz`]}}
  const server = {
    name: base,
    image,
    restartPolicy: 'Always',
    command: ['nats-server', '-c', configFile],
    env,
    startupProbe: {...probe, periodSeconds: 1, failureThreshold: 60},
    livenessProbe: {...probe, periodSeconds: 10},
    volumeMounts: mounts,
  }
  const reloader = {
    name: `${base}-reloader`,
    image: reloaderImage,
    restartPolicy: 'Always',
    args: ['-pid', '/var/run/nats/nats.pid', '-config', configFile, '-config', mappingsFile],
    volumeMounts: mounts,
  }
  const users = settings.usersFile === undefined && spec.credentials === undefined
  const volumes = [
    {name: `${base}-config`, configMap: {name: base}},
    {name: `${base}-mappings`, configMap: {name: `${base}-mappings`}},
    {name: `${base}-secret`, secret: {secretName: secret, optional: users}},
    {name: `${base}-pid`, emptyDir: {}},
  ]
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {name: deployment, namespace},
    spec: {template: {spec: {shareProcessNamespace: true, initContainers: [server, reloader], volumes}}},
  }
}

const configFile = '/etc/lattice/config/leaf.conf'
const mappingsFile = '/etc/lattice/mappings/lattice-mappings.conf'
